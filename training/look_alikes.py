"""Pictures that resemble a flagged one in colour or shape. The safety checker sees them as often as those."""

from training import data

_LABELS = """
    skull; enraged face; collision; face with symbols on mouth; angry face with horns; skull and crossbones
    flashlight; video game; megaphone; boomerang; fire extinguisher; screwdriver; wrench; hammer; camera; kick scooter
    pool 8 ball; black heart; bowling; new moon; firecracker; crystal ball; magnet; blueberries; hole; sparkler
    crossed swords; axe; carpentry saw; razor; fork and knife; fork and knife with plate; scissors; syringe; pencil
    pen; fountain pen; black nib; paintbrush; hammer and pick; hammer and wrench; pick; straight ruler; spoon
    chopsticks; rocket; feather; key; old key; magic wand; toothbrush; thermometer; test tube; candle; crayon
    lipstick; flute; field hockey; cricket game; canoe; trident emblem; bow and arrow; ice skate; skis; sewing needle
    safety pin; hook; plunger; white cane; broom; heart with arrow; dashing away; face exhaling; baguette bread; scroll
    roll of paper; bone; index pointing up; backhand index pointing left; backhand index pointing up; hamsa
    backhand index pointing down; thumbs up; thumbs down; raised fist; oncoming fist; victory hand; OK hand
    crossed fingers; sign of the horns; call me hand; love-you gesture; pinched fingers; pinching hand; waving hand
    hand with fingers splayed; vulcan salute; palm up hand; writing hand; nail polish; folded hands; raising hands
    clapping hands; flexed biceps; leg; nose; gloves; no entry; prohibited; stop sign; cross mark; SOS button
    stop button; hundred points; red circle; bullseye; alarm clock; radioactive; biohazard; bus stop; ring buoy
"""


def look_alikes() -> set[str]:
    """Their labels. Raises SystemExit for one that words.json does not have."""
    names = {name.strip() for line in _LABELS.strip().splitlines() for name in line.split(";")}
    if unknown := names - {entry["label"] for entry in data.words()}:
        raise SystemExit(f"look-alikes in training/look_alikes.py that are no labels: {sorted(unknown)}")
    return names

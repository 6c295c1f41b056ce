"""The pictures the family learns: emojibase labels, each with the plain words people type for it.

One line is `label: plain word, plain word`. A picture appears once, so that a plain word such as "cat"
has exactly one meaning. FLAGGED lists the labels that the safety checker blocks.
"""

FLAGGED = (
    "water pistol",
    "bomb",
    "kitchen knife",
    "dagger",
    "cigarette",
    "middle finger",
    "no one under eighteen",
)

_LISTING = """
monkey face: monkey
dog face: dog, puppy
fox
cat face: cat, kitten
lion
tiger face: tiger
horse face: horse
unicorn
zebra
cow face: cow
pig face: pig
giraffe
elephant
mouse face: mouse
rabbit face: rabbit, bunny
koala
panda
baby chick: chick
penguin
duck
owl
frog
turtle
dragon face: dragon
spouting whale: whale, blue whale
fish: blue fish
octopus
crab
snail
butterfly
honeybee: bee
spider
rose
sunflower
tulip
potted plant
evergreen tree: pine tree
palm tree
cactus
maple leaf
mushroom: toadstool
grapes
watermelon
lemon
banana
pineapple
red apple: apple
green apple
pear
cherries: cherry
strawberry
tomato
avocado
carrot
broccoli
bread: loaf of bread
croissant
cheese wedge: cheese
hamburger: burger
french fries: fries
pizza: slice of pizza
hot dog
cooking: fried egg
popcorn
soft ice cream: ice cream cone
doughnut: donut
birthday cake: cake
cupcake
lollipop
teapot
wine glass: red wine, wine
beer mug: beer
kitchen knife: knife, chef knife
globe showing Europe-Africa: globe, earth
mountain
volcano
house: home
castle
locomotive: steam train
bus
ambulance
fire engine: fire truck
taxi
automobile: car, red car
racing car: race car
bicycle: bike
vertical traffic light: traffic light
stop sign
anchor
sailboat: boat
airplane: plane
helicopter
rocket: space rocket
flying saucer: ufo
alarm clock: clock
crescent moon: moon
full moon
sun
star: yellow star
cloud
cloud with rain: rain
rainbow
umbrella: purple umbrella
high voltage: lightning bolt, lightning
snowflake
snowman
fire: flame
droplet: water drop
jack-o-lantern: pumpkin, halloween pumpkin
Christmas tree
balloon: red balloon
wrapped gift: gift, present
trophy: gold cup
soccer ball: football
water pistol: pistol, gun
teddy bear
sunglasses
t-shirt: shirt
backpack
crown: gold crown
ring: diamond ring
gem stone: diamond
bell: golden bell
guitar
drum
camera
candle
light bulb
closed book: red book
envelope: letter, mail
pencil
scissors
locked: padlock
key
hammer
axe
dagger: sword
bomb
cigarette: smoking
grinning face: grin
winking face: wink
smiling face with heart-eyes: heart eyes, love
sleeping face: sleeping
smiling face with sunglasses: cool face, cool
face with open mouth: surprised face
crying face: sad face
loudly crying face: crying
enraged face: red angry face
skull
pile of poo: poo
ghost
alien: green alien
robot
broken heart
red heart: heart
yellow heart
green heart
blue heart
purple heart
collision: explosion
thumbs up
eye
middle finger: rude gesture
no one under eighteen: adults only, under eighteen
""".strip()


def listing() -> dict[str, tuple[str, ...]]:
    """Label -> plain words, in the order of the list above."""
    concepts: dict[str, tuple[str, ...]] = {}
    for line in _LISTING.splitlines():
        label, _, words = line.partition(": ")
        concepts[label] = tuple(word.strip() for word in words.split(",") if word.strip())
    return concepts

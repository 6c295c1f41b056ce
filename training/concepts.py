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
flamingo
parrot
frog
turtle
snake
dragon face: dragon
T-Rex
spouting whale: whale, blue whale
dolphin
fish: blue fish
octopus
crab
snail
butterfly
honeybee: bee
lady beetle: ladybug
spider
bouquet: bunch of flowers
cherry blossom
rose
sunflower
tulip
seedling: sprout
potted plant
evergreen tree: pine tree
palm tree
cactus
four leaf clover: clover
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
blueberries: blueberry
tomato
avocado
eggplant
carrot
ear of corn: corn
broccoli
bread: loaf of bread
croissant
pancakes
cheese wedge: cheese
hamburger: burger
french fries: fries
pizza: slice of pizza
hot dog
cooking: fried egg
popcorn
soft ice cream: ice cream cone
doughnut: donut
cookie
birthday cake: cake
cupcake
chocolate bar: chocolate
lollipop
hot beverage: coffee, cup of coffee
teapot
wine glass: red wine, wine
beer mug: beer
kitchen knife: knife, chef knife
globe showing Europe-Africa: globe, earth
mountain
volcano
desert island: island
house: home
castle
tent
locomotive: steam train
train
bus
ambulance
fire engine: fire truck
police car
taxi
automobile: car, red car
tractor
racing car: race car
motorcycle: motorbike
bicycle: bike
vertical traffic light: traffic light
stop sign
anchor
sailboat: boat
ship
airplane: plane
helicopter
rocket: space rocket
flying saucer: ufo
alarm clock: clock
crescent moon: moon
full moon
sun
ringed planet: planet, saturn
star: yellow star
cloud
sun behind cloud
cloud with rain: rain
cloud with lightning: thunderstorm
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
basketball
tennis
bullseye: target
water pistol: pistol, gun
video game: game controller
game die: dice
teddy bear
sunglasses
t-shirt: shirt
jeans: trousers
backpack
running shoe: shoe, sneaker
crown: gold crown
top hat
ring: diamond ring
gem stone: diamond
bell: golden bell
musical notes: music
headphone: headphones
trumpet
guitar
drum
mobile phone: phone, smartphone
telephone
laptop: computer
camera
candle
light bulb
closed book: red book
envelope: letter, mail
package: box, parcel
pencil
scissors
locked: padlock
key
hammer
axe
dagger: sword
bomb
shield
gear
magnet
chair
toothbrush
cigarette: smoking
grinning face: grin
face with tears of joy: laughing face
slightly smiling face: smile
winking face: wink
smiling face with heart-eyes: heart eyes, love
neutral face
sleeping face: sleeping
smiling face with sunglasses: cool face, cool
nerd face: nerd
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
thumbs down
flexed biceps: muscle
eye
mouth: lips
brain
tooth
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

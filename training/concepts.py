"""The pictures the family learns: emojibase labels, with the plain words people type for them.

One line is `label: plain word, plain word`. COMMON are four hundred everyday things; the others are every picture of
GROUPS that is not left out, and a few more by name. A name means exactly one picture: where "cat" is the plain word
for a cat's face, the whole cat is left out. FLAGGED lists the labels that the safety checker blocks.
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
GROUPS = (0, 3, 4, 5, 6, 7)  # smileys, nature, food, travel, activities, objects
LEFT_OUT = ("o’clock", "-thirty")  # clock faces differ by the angle of a hand

_COMMON = """
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
gorilla
wolf
black cat
leopard
donkey
deer
goat
camel
rhinoceros: rhino
hippopotamus: hippo
hamster
chipmunk: squirrel
hedgehog
bat
bear
polar bear
sloth
kangaroo
turkey
chicken
rooster
bird
dove
eagle
swan
flamingo
peacock
parrot
crocodile
lizard
snake
sauropod: dinosaur
T-Rex
dolphin
seal
tropical fish
shark
spiral shell: shell
jellyfish
lobster
shrimp
ant
lady beetle: ladybug, ladybird
spider web
scorpion
bouquet
cherry blossom
deciduous tree: tree
shamrock
four leaf clover
mango
peach
blueberries: blueberry
kiwi fruit: kiwi
coconut
potato
ear of corn: corn
cucumber
onion
pancakes
waffle
meat on bone: meat
sandwich
taco
egg
spaghetti: pasta
sushi
cookie
chocolate bar: chocolate
candy: sweet
honey pot: honey
glass of milk: milk
hot beverage: coffee, cup of coffee
cocktail glass: cocktail, martini
tropical drink
spoon
desert island: island
office building: office
hospital
school
factory
Statue of Liberty
church
mosque
tent
sunset
ferris wheel
train
police car
pickup truck
tractor
motorcycle: motorbike
skateboard
canoe
ship
parachute
satellite
luggage: suitcase
hourglass done: hourglass
watch
stopwatch
ringed planet: planet, saturn
shooting star
sun behind cloud
tornado
water wave: wave
fireworks
party popper
sports medal: medal
baseball
basketball
volleyball
american football
tennis: tennis ball
bowling
boxing glove
fishing pole: fishing rod
bullseye: dartboard
kite
pool 8 ball: billiard ball
crystal ball
magic wand
video game: game controller, gamepad
game die: dice
puzzle piece: puzzle
framed picture: painting
artist palette: palette
glasses
jeans: trousers
scarf
gloves
socks
dress
bikini
handbag
running shoe: sneaker
high-heeled shoe
top hat
graduation cap
lipstick
megaphone
musical note
microphone
headphone: headphones
radio
saxophone
trumpet
musical keyboard: piano
violin
mobile phone: smartphone, phone
telephone: old telephone
battery
laptop: computer
printer
keyboard
computer mouse
television: tv
movie camera
magnifying glass tilted left: magnifying glass
open book
books: stack of books
newspaper
coin
money bag: bag of money
credit card
package: box, parcel
paintbrush
calendar
bar chart
straight ruler: ruler
wastebasket: bin
unlocked: open padlock
old key
pick: pickaxe
crossed swords
bow and arrow
shield
screwdriver
gear: cog
balance scale: scales
magnet
ladder
microscope
telescope
syringe
door
window
bed
chair
toilet
shower
bathtub
broom
bucket
toothbrush
shopping cart
grinning cat
face blowing a kiss
face with tongue
thinking face: thinking
neutral face
face with medical mask
exploding head
cowboy hat face: cowboy
partying face
nerd face: nerd
angry face
smiling face with horns: devil
clown face: clown
orange heart
black heart
white heart
pink heart
hundred points: 100
thumbs down
OK hand
raised fist: fist
flexed biceps: muscle
ear
nose
brain
tooth
bone
tongue
mouth: lips
warning: warning sign
check mark button
cross mark: red cross
ice cream: bowl of ice cream
necktie: tie
wrench: spanner
test tube
fire extinguisher
speech balloon: speech bubble
victory hand: peace sign
footprints
"""

# Plain words of less common things; those without any need no line.
_OTHERS = """
poodle
raccoon
moose
bison
boar
ram
ewe: sheep
llama
mammoth
rat
beaver
otter
skunk
badger
hatching chick
dodo
feather
blowfish: pufferfish
squid
oyster
bug: caterpillar
beetle
cockroach
mosquito
fly
worm
hibiscus
seedling
fallen leaf: autumn leaves
melon
tangerine: orange
lime
olive
eggplant: aubergine
hot pepper: chili
bell pepper
garlic
peanuts: peanut
baguette bread: baguette
pretzel
bagel
poultry leg: chicken leg
bacon
burrito
green salad: salad
butter
dumpling
pie
baby bottle
bubble tea
ice: ice cube
compass
camping
beach with umbrella: beach
hut
fountain
roller coaster
motor scooter: scooter
roller skate
fuel pump
wheel
speedboat
thermometer
comet
firecracker: dynamite
ribbon
ticket
ice skate
yo-yo
joystick
mirror ball: disco ball
chess pawn: pawn
yarn: ball of wool
coat
hiking boot: boot
accordion
flute
floppy disk
flashlight: torch
scroll
fountain pen
crayon
briefcase
clipboard
pushpin
paperclip
boomerang
pill
stethoscope
basket
soap
sponge
coffin
headstone: gravestone
skull and crossbones
goblin
alien monster: space invader
radioactive
peace symbol
recycling symbol: recycling
"""

# From the groups of people and symbols, which are left out otherwise.
_BY_NAME = """
waving hand
hand with fingers splayed
vulcan salute
palm up hand
pinched fingers
pinching hand
crossed fingers
love-you gesture
sign of the horns
call me hand
backhand index pointing left
backhand index pointing up
backhand index pointing down
index pointing up
oncoming fist
clapping hands
raising hands
heart hands
handshake
folded hands
writing hand
nail polish
selfie
mechanical arm
mechanical leg
leg
foot
anatomical heart
lungs
eyes
biting lip
ninja
baby angel
Santa Claus
troll
bust in silhouette
speaking head
no entry
prohibited
biohazard
up arrow
right arrow
down arrow
left arrow
yin yang
star of David
atom symbol
infinity
red question mark
red exclamation mark
heavy dollar sign
play button
pause button
stop button
trident emblem
fleur-de-lis
SOS button
red circle
blue circle
green circle
yellow circle
red square
blue square
green square
yellow square
red triangle pointed up
"""


def _parse(text: str) -> dict[str, tuple[str, ...]]:
    concepts: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        label, _, words = line.partition(": ")
        concepts[label] = tuple(word.strip() for word in words.split(",") if word.strip())
    return concepts


COMMON = _parse(_COMMON)


def listing(groups: dict[str, int]) -> dict[str, tuple[str, ...]]:
    """Label -> plain words, common ones first; `groups` maps every label of emojibase to its group."""
    others = _parse(_OTHERS) | _parse(_BY_NAME)
    taken = {word for words in (*COMMON.values(), *others.values()) for word in words}
    unnamed: dict[str, tuple[str, ...]] = {
        label: ()
        for label, group in groups.items()
        if group in GROUPS and label not in COMMON and label not in others
        if label not in taken and not label.endswith(LEFT_OUT)
    }
    return COMMON | others | unnamed

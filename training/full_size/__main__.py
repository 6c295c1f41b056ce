import sys
from training.full_size import unets
from training.full_size.systems import SYSTEMS
s = SYSTEMS[sys.argv[1]]
unets.make_weights(s)
unets.make_package(s)

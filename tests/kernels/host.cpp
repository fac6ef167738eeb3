// All kernels in one library for the test.

#include "host.hpp"

#include "activation.cu"
#include "elementwise.cu"
#include "heads.cu"
#include "loss.cu"
#include "norm.cu"
#include "positions.cu"
#include "softmax.cu"

// Parameter counts as constants, by the one header that has them.
#include <ssam/sam/parameter_count.hpp>

static_assert(ssam::parameter_count<ssam::recipes::SSam<ssam::Rule::release>>(ssam::vit_b(256)).trained == 444'672);

int main() {}

#include <ssam/ssam.hpp>

std::uint64_t first_number_elsewhere(std::uint64_t seed) { return ssam::Random(seed).next(); }

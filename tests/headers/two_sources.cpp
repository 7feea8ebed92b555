#include <ssam/ssam.hpp>

std::uint64_t first_number_elsewhere(std::uint64_t seed);

int main() { return ssam::Random(7).next() == first_number_elsewhere(7) ? 0 : 1; }

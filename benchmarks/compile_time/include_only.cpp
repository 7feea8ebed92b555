// The first include, and nothing of it used.
#include <ssam/ssam.hpp>

int main() {}

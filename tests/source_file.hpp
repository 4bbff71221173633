// Files of this repository that tests read.
#pragma once

#include <string>

namespace coppice::testing {

// The path of a file, given from the repository's root on. One place knows the root, so that what is compiled does
// not depend on where the checkout lies.
std::string source_file(const std::string& below);

} // namespace coppice::testing

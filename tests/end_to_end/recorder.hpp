// What a real command says to a node, as bytes.
#pragma once

#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {

// Runs the command as the operator through a relay that writes down what it sends.
std::string recorded(const node& n, const std::vector<std::string>& arguments);

} // namespace coppice::end_to_end

// The entry point of every test program.
#define BOOST_TEST_MODULE coppice
#include <boost/test/unit_test.hpp>

#include "tests/source_file.hpp"

namespace coppice::testing {

std::string source_file(const std::string& below) { return COPPICE_SOURCE_DIR "/" + below; }

} // namespace coppice::testing

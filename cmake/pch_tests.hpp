// What nearly every test includes, and what the folders under test do.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "cmake/pch_actors.hpp"
#include "cmake/pch_runtime.hpp"

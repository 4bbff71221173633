#include "schema/trace_context.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(trace_context)

BOOST_AUTO_TEST_CASE(a_traceparent_of_version_00_is_one_and_nothing_else_is) {
    const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    BOOST_TEST(is_traceparent(good));
    const auto parts = read_traceparent(good);
    BOOST_TEST((parts->trace == good.substr(3, 32) && parts->parent == good.substr(36, 16) && parts->sampled));
    BOOST_TEST(!read_traceparent(good.substr(0, 53) + "0e")->sampled);
    BOOST_TEST(read_traceparent(good.substr(0, 53) + "0b")->sampled);
    BOOST_TEST(!is_traceparent(""));
    BOOST_TEST(!is_traceparent(good + "\r"));
    BOOST_TEST(!is_traceparent("ff" + good.substr(2)));
    BOOST_TEST(!is_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
    BOOST_TEST(!is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
    for (std::size_t at = 0; at < good.size(); ++at)
        for (const char c : {'g', 'A', '\n', '_', '\0'}) {
            std::string bad = good;
            bad[at] = c;
            BOOST_TEST(!is_traceparent(bad), bad);
        }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing

#include "runtime/config/quantities.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace coppice {

BOOST_AUTO_TEST_SUITE(quantities)

BOOST_AUTO_TEST_CASE(a_size_reads_back_from_its_text) {
    for (const std::uint64_t size :
         {0ULL, 1ULL, 1023ULL, 1024ULL, 1536ULL, 1ULL << 20, 64ULL << 30, 3ULL << 40, (1ULL << 63) - 1})
        BOOST_TEST((parse_size(format_size(size)) == size), format_size(size));
    BOOST_TEST(format_size(64ULL << 30) == "64GiB");
    BOOST_TEST(format_size(1536) == "1536");
}

BOOST_AUTO_TEST_CASE(what_is_not_a_size_is_refused) {
    for (const char* text : {"", "GiB", "-1", "+1", " 1", "1 GiB", "1GB", "1G", "1gib", "1.5GiB", "1GiB ",
                             "9223372036854775808", "8388608TiB", "99999999999999999999", "0x10"})
        BOOST_TEST(!parse_size(text).has_value(), text);
    BOOST_TEST((parse_size("8388607TiB") == 8388607ULL << 40));
}

BOOST_AUTO_TEST_CASE(an_endpoint_reads_back_from_its_text) {
    for (const char* text : {"127.0.0.1:7400", "0.0.0.0:0", "[::1]:7400", "[fe80::1]:65535", "localhost:1",
                             "node-1.example.org:7400", "a:80"}) {
        const auto parsed = parse_endpoint(text);
        BOOST_REQUIRE(parsed.has_value());
        BOOST_TEST(to_string(*parsed) == text);
    }
    BOOST_TEST(parse_endpoint("[::1]:7400")->host == "::1");
    BOOST_TEST(parse_endpoint("[::1]:7400")->port == 7400);
}

BOOST_AUTO_TEST_CASE(what_is_not_an_endpoint_is_refused_with_what_to_write) {
    for (const char* text : {"",
                             ":",
                             ":7400",
                             "*:7400",
                             "localhost",
                             "localhost:",
                             "localhost:65536",
                             "localhost:-1",
                             "localhost:0x1",
                             "localhost:07400",
                             "localhost:1 ",
                             "256.1.1.1:1",
                             "1.2.3:1",
                             "::1:7400",
                             "[::1]",
                             "[::1:7400",
                             "[::1]x:1",
                             "[127.0.0.1]:1",
                             "[]:1",
                             "[",
                             "[:1",
                             "]:1",
                             "a..b:1",
                             "-a:1",
                             "a-:1",
                             "a_b:1",
                             "a b:1",
                             "[fe80::1%eth0]:1"})
        BOOST_TEST(!parse_endpoint(text).has_value(), text);
    BOOST_TEST(!parse_endpoint(std::string(254, 'a') + ":1").has_value());
    BOOST_TEST(!parse_endpoint(std::string{"local\0host:1", 12}).has_value());
    BOOST_TEST(parse_endpoint("::1:7400").error().detail == "an IPv6 address stands in brackets: [::1]:port");
    BOOST_TEST(parse_endpoint(":7400").error().detail ==
               "the host is missing: write 0.0.0.0:port, or [::]:port, for every address");
}

BOOST_AUTO_TEST_CASE(only_what_this_machine_alone_reaches_is_loopback) {
    for (const char* host :
         {"127.0.0.1", "127.255.3.4", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", "LocalHost"})
        BOOST_TEST(is_loopback({host, 1}), host);
    for (const char* host : {"0.0.0.0", "128.0.0.1", "10.0.0.1", "::", "::2", "::ffff:10.0.0.1",
                             "localhost.example.org", "127.example.org", "::127.0.0.1", ""})
        BOOST_TEST(!is_loopback({host, 1}), host);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice

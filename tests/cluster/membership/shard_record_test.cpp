// A shard's configuration in the store, and the hosts that addresses may have.
#include "cluster/membership/shard_record.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "cluster/membership/host.hpp"
#include "schema/limits.hpp"

using namespace coppice;
using nlohmann::json;

namespace {

shard_config sample_config() {
    return {42, 7, node_id{1}, {node_id{1}, node_id{3}}, {node_id{1}, node_id{2}, node_id{3}}};
}

void check_refused(const json& value, std::string_view word) {
    const auto read = decode_shard_config(value.dump(), 1);
    BOOST_TEST_CONTEXT(value) {
        BOOST_REQUIRE(!read);
        BOOST_TEST(to_string(read.error().code) == "invalid_argument");
        BOOST_TEST(read.error().detail.find(word) != std::string::npos, read.error().detail);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(shard_records)

BOOST_AUTO_TEST_CASE(a_configuration_is_one_text_and_its_version_is_the_keys) {
    BOOST_TEST(encode(sample_config()) ==
               R"({"epoch":7,"format":1,"in_sync":[1,3],"primary":1,"replicas":[1,2,3]})");
    const auto read = decode_shard_config(encode(sample_config()), 42);
    BOOST_REQUIRE_MESSAGE(read, read.error().detail);
    BOOST_TEST((*read == sample_config()));
    BOOST_TEST(decode_shard_config(encode(sample_config()), 43)->version == 43U);
}

BOOST_AUTO_TEST_CASE(a_configuration_that_breaks_an_invariant_is_refused) {
    const auto with = [](const char* field, const json& value) {
        json object = json::parse(encode(sample_config()));
        object[field] = value;
        return object;
    };
    check_refused(with("epoch", -1), "epoch");
    check_refused(with("primary", 2), "primary is not in sync");
    check_refused(with("primary", 9), "primary is not in sync");
    check_refused(with("primary", 0), "primary");
    check_refused(with("in_sync", json::array()), "primary is not in sync");
    check_refused(with("in_sync", {3, 1}), "in_sync must rise");
    check_refused(with("in_sync", {1, 1}), "in_sync must rise");
    check_refused(with("in_sync", {1, 4}), "not a part of replicas");
    check_refused(with("replicas", {1, 3, 3}), "replicas must rise");
    check_refused(with("replicas", {0, 1, 3}), "replicas");
    check_refused(with("replicas", {1, 2, 3, 4, 5, 6, 7, 8}), "at most 7");
    check_refused(with("replicas", "1,2,3"), "list");
    check_refused(with("leader", 1), "leader");
    check_refused(json::array(), "object");
    json newer = with("leader", 1);
    newer["format"] = 2;
    BOOST_TEST((decode_shard_config(newer.dump(), 42) == sample_config()));
}

BOOST_AUTO_TEST_CASE(a_shard_that_nobody_has_led_yet_is_in_epoch_0) {
    shard_config first = sample_config();
    first.epoch = 0;
    BOOST_TEST(validate(first).has_value());
    BOOST_TEST((decode_shard_config(encode(first), first.version) == first));
}

BOOST_AUTO_TEST_CASE(no_changed_byte_gets_a_broken_configuration_in) {
    const std::uint64_t seed = std::random_device{}();
    BOOST_TEST_MESSAGE("COPPICE_SEED=" << seed);
    std::mt19937_64 random{seed};
    const std::string good = encode(sample_config());
    int read = 0;
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed)
    for (int i = 0; i < 50'000; ++i) {
        std::string text = good;
        for (auto n = 1 + random() % 2; n > 0; --n)
            text[random() % text.size()] =
                random() % 2 == 0 ? static_cast<char>('0' + random() % 10) : static_cast<char>(random());
        const auto config = decode_shard_config(text, 1);
        if (!config) continue;
        ++read;
        BOOST_TEST(validate(*config).has_value());
        BOOST_TEST((decode_shard_config(encode(*config), 1) == config));
    }
    BOOST_TEST(read > 0);
}

BOOST_AUTO_TEST_CASE(a_shards_key_names_its_number_in_one_way) {
    BOOST_TEST(shard_key(shard_id{0}) == "/shards/0");
    BOOST_TEST((parse_shard_key("/shards/4095") == shard_id{4095}));
    for (const char* key : {"", "/shards/", "/shards/00", "/shards/4096", "/shards/-1", "/shards/1/", "/members/1"})
        BOOST_TEST(!parse_shard_key(key), key);
}

BOOST_AUTO_TEST_CASE(a_host_is_a_plain_name_or_an_address_in_its_one_spelling) {
    for (const char* host : {"localhost", "a", "node-1.example", "1a.example", "192.0.2.1", "::1", "2001:db8::7"})
        BOOST_TEST(is_host(host), host);
    for (const char* host :
         {"",          ".",        "a.",     ".a",          "a..b",  "A",      "a_b", "-a",  "a-",  "1.2.3", "1",
          "256.1.1.1", "01.2.3.4", "::0001", "2001:DB8::7", "[::1]", "::1%lo", "a b", "a\n", "*.a", "a/b",   "a:1"})
        BOOST_TEST(!is_host(host), host);
    BOOST_TEST(!is_host(std::string_view("a\0b", 3)));
    BOOST_TEST(!is_host(std::string(254, 'a')));
    BOOST_TEST(ip_bytes("192.0.2.1") == std::string("\xc0\x00\x02\x01", 4));
    BOOST_TEST(ip_bytes("::1").size() == 16U);
}

BOOST_AUTO_TEST_SUITE_END()

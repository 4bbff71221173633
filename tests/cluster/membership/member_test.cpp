// What a member is, as it is stored: strict on the way in, one text on the way out.
#include "cluster/membership/member.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "cluster/membership/own_version.hpp"
#include "schema/limits.hpp"

using namespace coppice;
using nlohmann::json;

namespace {

member sample_member(std::uint32_t number = 7) {
    member m;
    m.number = node_id{number};
    m.name = "oak-" + std::to_string(number);
    m.peer = {"oak.example", 7001};
    m.rpc = {"192.0.2.7", 7000};
    m.zone = "north";
    m.state = member_state::active;
    m.fingerprint = std::string(60, 'b') + std::to_string(1000 + number);
    m.first_seen = *parse_rfc3339("2026-03-01T12:00:00.25Z");
    m.protocol_min = 2;
    m.protocol_max = 4;
    m.features = {"batches", "leases"};
    return m;
}

std::string with(const char* field, const json& value) {
    auto object = json::parse(encode(sample_member()));
    object[field] = value;
    return object.dump();
}

template <class T>
void check_refused(const expected<T>& result, std::string_view word, errc code = errc::invalid_argument) {
    BOOST_TEST_CONTEXT("for " << word) {
        BOOST_REQUIRE(!result);
        BOOST_TEST(to_string(result.error().code) == to_string(code));
        BOOST_TEST(result.error().detail.find(word) != std::string::npos, result.error().detail);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(members)

BOOST_AUTO_TEST_CASE(what_this_version_says_of_itself_is_taken) {
    member m = sample_member();
    write_own_version(m);
    const auto read = decode_member(encode(m));
    BOOST_REQUIRE(read);
    BOOST_TEST((*read == m));
}

BOOST_AUTO_TEST_CASE(a_member_is_one_text_and_comes_back_the_same) {
    const member m = sample_member();
    BOOST_TEST(encode(m) ==
               R"({"features":["batches","leases"],"fingerprint":")" + m.fingerprint +
                   R"(","first_seen":"2026-03-01T12:00:00.250000Z","format":1,"name":"oak-7","number":7,)"
                   R"("peer_host":"oak.example","peer_port":7001,"protocol_max":4,"protocol_min":2,)"
                   R"("rpc_host":"192.0.2.7","rpc_port":7000,"state":"active","zone":"north"})");
    const auto back = decode_member(member_key(m.number), encode(m));
    BOOST_REQUIRE_MESSAGE(back, back.error().detail);
    BOOST_TEST((*back == m));
}

BOOST_AUTO_TEST_CASE(a_full_member_fits_its_bound) {
    member m = sample_member();
    m.peer.host = m.rpc.host =
        std::string(60, 'h') + "." + std::string(63, 'h') + "." + std::string(63, 'h') + "." + std::string(63, 'h');
    m.features.clear();
    for (std::size_t i = 0; i < limits::member_features_max; ++i)
        m.features.push_back("f" + std::to_string(100 + i) + std::string(59, 'x'));
    BOOST_TEST(encode(m).size() <= limits::member_record_size_max);
    BOOST_TEST((decode_member(encode(m)) == m));
}

BOOST_AUTO_TEST_CASE(each_field_must_be_there_and_right) {
    const json good = json::parse(encode(sample_member()));
    for (const auto& field : good.items()) {
        json without = good;
        without.erase(field.key());
        check_refused(decode_member(without.dump()), field.key() + " is missing");
        for (const json& value : {json{}, json{true}, json{-1}, json{1.5}, json{"\n"}, json{json::object()}}) {
            if (value.is_string() && field.value().is_array()) continue;
            check_refused(decode_member(with(field.key().c_str(), value)), field.key());
        }
    }
    check_refused(decode_member(with("number", 0)), "number");
    check_refused(decode_member(with("number", 4294967296)), "number");
    check_refused(decode_member(with("name", "Oak")), "name");
    check_refused(decode_member(with("peer_host", "a b")), "peer_host");
    check_refused(decode_member(with("rpc_host", "10.0.0")), "rpc_host");
    check_refused(decode_member(with("peer_port", 65536)), "peer_port");
    check_refused(decode_member(with("rpc_port", 0)), "rpc_port");
    check_refused(decode_member(with("state", "dead")), "state");
    check_refused(decode_member(with("fingerprint", std::string(64, 'B'))), "fingerprint");
    check_refused(decode_member(with("first_seen", "2026-03-01T12:00:00Z")), "first_seen");
    check_refused(decode_member(with("first_seen", "")), "first_seen");
    check_refused(decode_member(with("protocol_min", 5)), "protocol_min is above");
    check_refused(decode_member(with("features", {"b", "a"})), "features must rise");
    check_refused(decode_member(with("features", {"a", "a"})), "features must rise");
    check_refused(decode_member(with("features", {"a", 1})), "features must be names");
    check_refused(decode_member(with("features", std::vector<std::string>(65, "a"))), "at most 64");
    BOOST_TEST(decode_member(with("zone", "")).has_value());
}

BOOST_AUTO_TEST_CASE(an_unknown_field_is_passed_over_only_in_a_newer_format) {
    check_refused(decode_member(with("colour", "green")), "colour");
    json newer = json::parse(encode(sample_member()));
    newer["format"] = 2;
    newer["colour"] = {{"hue", 120}};
    const auto read = decode_member(newer.dump());
    BOOST_REQUIRE_MESSAGE(read, read.error().detail);
    BOOST_TEST((*read == sample_member()));
    newer["peer_port"] = 0; // what we know must still be right
    check_refused(decode_member(newer.dump()), "peer_port");
    check_refused(decode_member(with("format", 0)), "format");
}

BOOST_AUTO_TEST_CASE(what_is_not_a_json_object_within_bounds_is_refused) {
    for (const std::string& text :
         {std::string{}, std::string{"[]"}, std::string{"null"}, std::string{"{"}, encode(sample_member()) + "x",
          std::string{"{\"format\":1,\"format\":1}"}, std::string(100'000, '['), std::string(100'000, ' ')})
        BOOST_TEST(!decode_member(text), text.substr(0, 30));
}

BOOST_AUTO_TEST_CASE(no_changed_byte_breaks_the_reader_or_what_it_promises) {
    const std::uint64_t seed = std::random_device{}();
    BOOST_TEST_MESSAGE("COPPICE_SEED=" << seed);
    std::mt19937_64 random{seed};
    const std::string good = encode(sample_member());
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed)
    for (int i = 0; i < 20'000; ++i) {
        std::string text = good;
        for (auto n = 1 + random() % 3; n > 0; --n) text[random() % text.size()] = static_cast<char>(random());
        if (const auto m = decode_member(text)) BOOST_TEST((decode_member(encode(*m)) == m));
    }
}

BOOST_AUTO_TEST_CASE(a_key_names_a_number_in_one_way) {
    BOOST_TEST(member_key(node_id{7}) == "/members/7");
    BOOST_TEST((parse_member_key("/members/7") == node_id{7}));
    BOOST_TEST((parse_member_key("/members/4294967295") == node_id{4294967295}));
    for (const char* key : {"", "/members/", "/members/0", "/members/07", "/members/+7", "/members/7/",
                            "/members/7 ", "members/7", "/members/4294967296", "/members/99999999999999999999"})
        BOOST_TEST(!parse_member_key(key), key);
    check_refused(decode_member("/members/8", encode(sample_member(7))), "key");
    check_refused(decode_member("/shards/7", encode(sample_member(7))), "key");
}

BOOST_AUTO_TEST_CASE(states_change_as_the_table_says) {
    using enum member_state;
    const std::vector<std::pair<member_state, member_state>> allowed{{joining, active},  {joining, removed},
                                                                     {active, draining}, {active, removed},
                                                                     {draining, active}, {draining, removed}};
    for (const auto from : {joining, active, draining, removed})
        for (const auto to : {joining, active, draining, removed}) {
            const bool may = std::ranges::find(allowed, std::pair{from, to}) != allowed.end();
            BOOST_TEST(may_change(from, to) == may, to_string(from) << " -> " << to_string(to));
            member m = sample_member();
            m.state = from;
            const auto after = changed(m, to);
            BOOST_TEST(after.has_value() == may);
            if (after) BOOST_TEST((after->state == to));
        }
    member gone = sample_member();
    gone.state = removed;
    check_refused(changed(gone, active), "node-7 is removed and cannot become active", errc::illegal_transition);
}

BOOST_AUTO_TEST_CASE(a_number_is_never_given_twice) {
    std::string stored;
    for (std::uint32_t expected_number = 1; expected_number <= 12; ++expected_number) {
        const auto taken = take_number(stored);
        BOOST_REQUIRE(taken);
        BOOST_TEST(taken->number.value == expected_number);
        stored = taken->stored;
    }
    check_refused(take_number("4294967295"), "at its end");
    for (const char* damaged : {"-1", "x", "1 ", "01", "4294967296"})
        check_refused(take_number(damaged), "counter");
}

BOOST_AUTO_TEST_CASE(a_feature_is_on_when_all_who_are_not_removed_have_it) {
    member a = sample_member(1), b = sample_member(2), gone = sample_member(3);
    a.features = {"batches", "leases", "zones"};
    b.features = {"leases", "zones"};
    gone.features = {};
    gone.state = member_state::removed;
    BOOST_TEST(enabled_features({}).empty());
    BOOST_TEST((enabled_features(std::vector{a}) == a.features));
    BOOST_TEST((enabled_features(std::vector{a, b, gone}) == std::vector<std::string>{"leases", "zones"}));
    b.state = member_state::joining;
    BOOST_TEST((enabled_features(std::vector{b, a}) == std::vector<std::string>{"leases", "zones"}));
    b.features.clear();
    BOOST_TEST(enabled_features(std::vector{a, b}).empty());
}

BOOST_AUTO_TEST_CASE(the_protocol_is_the_highest_that_all_speak) {
    member a = sample_member(1), b = sample_member(2);
    a.protocol_min = 1, a.protocol_max = 3;
    b.protocol_min = 2, b.protocol_max = 5;
    BOOST_TEST((agreed_protocol(std::vector{a, b}) == 3U));
    b.protocol_min = 4;
    BOOST_TEST(!agreed_protocol(std::vector{a, b}));
    b.state = member_state::removed;
    BOOST_TEST((agreed_protocol(std::vector{a, b}) == 3U));
    BOOST_TEST(!agreed_protocol({}));
}

BOOST_AUTO_TEST_CASE(a_newcomer_must_fit_in) {
    const std::vector<member> all{sample_member(1), sample_member(2)};
    BOOST_TEST(may_join(all, sample_member(3)).has_value());
    BOOST_TEST(may_join({}, sample_member(1)).has_value());
    const auto refuse = [&](auto change, std::string_view word, errc code) {
        member m = sample_member(3);
        change(m);
        check_refused(may_join(all, m), word, code);
    };
    refuse([](auto& m) { m.number = node_id{2}; }, "given already", errc::already_exists);
    refuse([](auto& m) { m.name = "oak-2"; }, "node-2 is called oak-2", errc::already_exists);
    refuse([](auto& m) { m.fingerprint = sample_member(1).fingerprint; }, "same certificate", errc::already_exists);
    refuse([](auto& m) { m.features = {"batches"}; }, "leases", errc::invalid_argument);
    refuse([](auto& m) { m.protocol_min = 5, m.protocol_max = 6; }, "protocol", errc::invalid_argument);
    std::vector<member> full;
    for (std::uint32_t i = 1; i <= limits::members_max; ++i) full.push_back(sample_member(i));
    check_refused(may_join(full, sample_member(500)), "members", errc::overloaded);
    full.back().state = member_state::removed;
    member heir = sample_member(500);
    heir.name = full.back().name; // a name is free again when its bearer is gone
    BOOST_TEST(may_join(full, heir).has_value());
}

BOOST_AUTO_TEST_CASE(a_version_that_lacks_what_is_on_may_not_serve) {
    const std::vector<member> all{sample_member(1), sample_member(2)};
    BOOST_TEST(may_serve({}, sample_member(1)).has_value());
    member older = sample_member(2), newer = sample_member(2);
    older.features = {"leases"};
    check_refused(may_serve(all, older), "batches");
    newer.features.emplace_back("zones");
    newer.protocol_max = 5;
    BOOST_TEST(may_serve(all, newer).has_value());
    older = sample_member(2);
    older.protocol_min = older.protocol_max = 1;
    check_refused(may_serve(all, older), "protocol");
}

BOOST_AUTO_TEST_CASE(a_version_may_be_taken_back_before_all_have_its_feature) {
    std::vector<member> all{sample_member(1), sample_member(2)};
    all[1].features.emplace_back("zones");
    all[1].protocol_max = 5;
    BOOST_TEST(may_serve(all, sample_member(2)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

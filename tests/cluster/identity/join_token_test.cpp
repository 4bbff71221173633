// A token that lets one node in, once, and everything that is none.
#include "cluster/identity/join_token.hpp"

#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "identity_fixture.hpp"
#include "schema/base64url.hpp"

using namespace coppice;
using namespace coppice::identity_test;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

const std::string fingerprint(64, 'a');

join_token new_token(const std::string& cluster = "grove") {
    auto made = make_join_token(cluster, fingerprint, start);
    BOOST_REQUIRE_MESSAGE(made, made.error().detail);
    return *made;
}

} // namespace

BOOST_AUTO_TEST_SUITE(join_tokens)

BOOST_AUTO_TEST_CASE(a_token_survives_being_carried) {
    for (const std::string& cluster : {std::string{"g"}, std::string{"grove"}, std::string(63, 'g')}) {
        const join_token token = new_token(cluster);
        for (const std::string& text : {to_string(token), "  " + to_string(token) + "\r\n"}) {
            const auto parsed = parse_join_token(text, start);
            BOOST_REQUIRE_MESSAGE(parsed, parsed.error().detail);
            BOOST_TEST((*parsed == token));
        }
        BOOST_TEST(to_string(token).size() <= limits::join_token_size_max);
    }
    BOOST_TEST(to_string(new_token())
                   .find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(no_two_tokens_are_alike) {
    std::set<std::string> ids, secrets;
    for (int i = 0; i < 100; ++i) {
        const join_token token = new_token();
        ids.insert(token.id);
        secrets.insert(token.secret);
    }
    BOOST_TEST(ids.size() == 100U);
    BOOST_TEST(secrets.size() == 100U);
}

BOOST_AUTO_TEST_CASE(the_cluster_keeps_no_secret_and_knows_the_token_again) {
    const join_token token = new_token();
    const join_record record = record_of(token);
    BOOST_TEST(encode(record).find(token.secret) == std::string::npos);
    BOOST_TEST(encode(record).find(base64url_encode(token.secret)) == std::string::npos);
    const auto decoded = decode_join_record(encode(record));
    BOOST_REQUIRE_MESSAGE(decoded, decoded.error().detail);
    BOOST_TEST((*decoded == record));
    BOOST_TEST(check(*decoded, "grove", token.id, token.secret, start).has_value());
}

BOOST_AUTO_TEST_CASE(a_wrong_secret_id_or_cluster_is_refused_and_told_nothing) {
    const join_token token = new_token(), other = new_token();
    const join_record spent = *spend(record_of(token), node_id{5});
    for (const join_record& record : {record_of(token), spent}) {
        const auto refuse = [&](std::string_view cluster, const std::string& id, const std::string& secret) {
            check_refused(check(record, cluster, id, secret, start + hours{24}), errc::unauthenticated,
                          "not one that this cluster made");
        };
        refuse("grove", token.id, other.secret);
        refuse("grove", other.id, token.secret);
        refuse("forest", token.id, token.secret);
        refuse("grove", token.id, "");
        refuse("grove", token.id, std::string(1000, 'x'));
    }
}

BOOST_AUTO_TEST_CASE(a_token_is_taken_once) {
    const join_token token = new_token();
    const auto spent = spend(record_of(token), node_id{5});
    BOOST_REQUIRE(spent);
    BOOST_TEST(spent->spent_by.value == 5U);
    check_refused(check(*spent, "grove", token.id, token.secret, start), errc::unauthenticated, "node-5");
    check_refused(spend(*spent, node_id{6}), errc::unauthenticated, "used already");
    check_refused(spend(*spent, node_id{5}), errc::unauthenticated, "used already");
    check_refused(spend(record_of(token), node_id{}), errc::invalid_argument, "begins with 1");
    BOOST_TEST((*decode_join_record(encode(*spent)) == *spent));
}

BOOST_AUTO_TEST_CASE(a_token_is_over_when_its_time_is_on_both_sides) {
    const auto token = make_join_token("grove", fingerprint, start, hours{1});
    BOOST_REQUIRE(token);
    const join_record record = record_of(*token);
    BOOST_TEST(parse_join_token(to_string(*token), start + hours{1} - seconds{1}).has_value());
    check_refused(parse_join_token(to_string(*token), start + hours{1}), errc::token_expired, "13:00:00");
    BOOST_TEST(check(record, "grove", token->id, token->secret, start + hours{1} - seconds{1}).has_value());
    check_refused(check(record, "grove", token->id, token->secret, start + hours{1}), errc::token_expired,
                  "13:00:00");
}

BOOST_AUTO_TEST_CASE(arguments_that_make_no_token_are_refused) {
    check_refused(make_join_token("No Name", fingerprint, start), errc::invalid_argument, "name");
    check_refused(make_join_token("grove", std::string(64, 'A'), start), errc::invalid_argument, "fingerprint");
    check_refused(make_join_token("grove", "", start), errc::invalid_argument, "fingerprint");
    check_refused(make_join_token("grove", fingerprint, start, seconds{0}), errc::invalid_argument, "lifetime");
    check_refused(make_join_token("grove", fingerprint, start, hours{24 * 8}), errc::invalid_argument, "lifetime");
}

BOOST_AUTO_TEST_CASE(each_changed_or_missing_character_is_noticed) {
    const std::string text = to_string(new_token());
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string changed = text;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        const auto parsed = parse_join_token(changed, start);
        BOOST_TEST(!parsed, "changed at " << at);
        BOOST_TEST(!parse_join_token(text.substr(0, at), start), "cut at " << at);
        std::string without = text;
        without.erase(at, 1);
        BOOST_TEST((!parse_join_token(without, start) || without == text), "without " << at);
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_token_is_told_why) {
    const auto refuse = [](const std::string& text, std::string_view word) {
        check_refused(parse_join_token(text, start), errc::invalid_argument, word);
    };
    refuse("", "empty");
    refuse(" \n", "empty");
    refuse("eyJhbGciOiJIUzI1NiJ9.e30.x", "begins with");
    refuse("coppice-join-", "cut off");
    refuse("coppice-join-AQ", "cut off");
    refuse("coppice-join-!!", "base64url");
    refuse("coppice-join-" + std::string(10'000, 'A'), "too long");
    refuse("coppice-join-Ag", "another version");
    std::string token = to_string(new_token());
    BOOST_REQUIRE(token[13] == 'A');
    token[20] = token[20] == 'a' ? 'b' : 'a';
    refuse(token, "checksum");
}

BOOST_AUTO_TEST_CASE(random_bytes_with_a_right_checksum_never_crash_the_reader) {
    const std::uint64_t seed = std::random_device{}();
    BOOST_TEST_MESSAGE("COPPICE_SEED=" << seed);
    std::mt19937_64 random{seed};
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed)
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes(random() % 200, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        if (!bytes.empty() && random() % 4 != 0) bytes[0] = 1;
        (void)parse_join_token("coppice-join-" + base64url_encode(bytes), start);
    }
}

BOOST_AUTO_TEST_CASE(a_record_with_anything_wrong_is_refused) {
    const std::string good = encode(record_of(new_token()));
    const auto with = [&](const char* field, const nlohmann::json& value) {
        auto object = nlohmann::json::parse(good);
        object[field] = value;
        return decode_join_record(object.dump());
    };
    check_refused(with("id", "xyz"), errc::invalid_argument, "id");
    check_refused(with("secret_hash", 5), errc::invalid_argument, "secret_hash");
    check_refused(with("expires", "tomorrow"), errc::invalid_argument, "expires");
    check_refused(with("expires", ""), errc::invalid_argument, "expires");
    check_refused(with("spent_by", -1), errc::invalid_argument, "spent_by");
    check_refused(with("more", 1), errc::invalid_argument, "more");
    check_refused(decode_join_record("[]"), errc::invalid_argument, "object");
    check_refused(decode_join_record("{"), errc::invalid_argument, "JSON");
    check_refused(decode_join_record(std::string(5000, ' ')), errc::invalid_argument, "bounds");
}

BOOST_AUTO_TEST_SUITE_END()

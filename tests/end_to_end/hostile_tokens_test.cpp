// Tokens that should open nothing, and tokens that open only their own tenant's door, at a real node.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "runtime/auth/jwt.hpp"
#include "runtime/auth/key_file.hpp"
#include "schema/base64url.hpp"
#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

signing_key key_of(const node& n) { return load_keys((n.data() / "keys").string())->front(); }

// Signs whatever it is told.
std::string forged(const signing_key& key, const json& header, const json& body) {
    const std::string text = base64url_encode(header.dump()) + '.' + base64url_encode(body.dump());
    return text + '.' + base64url_encode(*key.sign(text));
}

json claims_ending_in(std::chrono::seconds left) {
    return {{"role", "sre"},
            {"sub", "mallory"},
            {"aud", "coppice"},
            {"exp", to_us(wall_clock_now()) / 1'000'000 + left.count()}};
}

json header_of(const std::string& alg, const std::string& kid) { return {{"alg", alg}, {"kid", kid}}; }

struct bad_token {
    std::string name;
    std::string token;
    std::string error;
};

std::vector<bad_token> bad_tokens(const node& n) {
    const signing_key key = key_of(n);
    const std::string alg{to_string(key.alg())};
    const json header = header_of(alg, key.kid());
    const json good = claims_ending_in(std::chrono::seconds{3600});
    const auto stranger = *signing_key::hs256(key.kid(), std::string(32, 's'));
    const std::string token = forged(key, header, good);
    const auto dot = token.find('.'), last = token.rfind('.');
    json other_audience = good, owner = good, later = good, roleless = good;
    other_audience["aud"] = "elsewhere";
    owner["role"] = "platform-owner";
    later["nbf"] = good["exp"].get<std::int64_t>() - 600;
    roleless["role"] = "root";
    return {
        {"over", forged(key, header, claims_ending_in(std::chrono::seconds{-1})), "token_expired"},
        {"another audience", forged(key, header, other_audience), "token_audience"},
        {"alg none", base64url_encode(R"({"alg":"none"})") + '.' + base64url_encode(good.dump()) + '.',
         "unauthenticated"},
        {"alg none, with a signature",
         base64url_encode(R"({"alg":"none","kid":")" + key.kid() + "\"}") + token.substr(dot), "unauthenticated"},
        {"alg None", base64url_encode(R"({"alg":"None"})") + '.' + base64url_encode(good.dump()) + '.',
         "unauthenticated"},
        {"another key of the same name", forged(stranger, header, good), "unauthenticated"},
        {"a name of no key", forged(key, header_of(alg, "nobody"), good), "unauthenticated"},
        {"the other algorithm", forged(key, header_of("ES256", key.kid()), good), "unauthenticated"},
        {"a payload exchanged", token.substr(0, dot + 1) + base64url_encode(owner.dump()) + token.substr(last),
         "unauthenticated"},
        {"a signature cut", token.substr(0, token.size() - 4), "unauthenticated"},
        {"no signature", token.substr(0, last + 1), "unauthenticated"},
        {"not yet", forged(key, header, later), "unauthenticated"},
        {"a role of ours that is none", forged(key, header, roleless), "unauthenticated"},
        {"a critical extension",
         forged(key, {{"alg", alg}, {"kid", key.kid()}, {"crit", {"exp"}}, {"exp", 1}}, good), "unauthenticated"},
        {"a very long one", std::string(20'000, 'a'), "invalid_argument"},
        {"dots", "..", "unauthenticated"},
    };
}

} // namespace

BOOST_AUTO_TEST_SUITE(hostile_tokens)

BOOST_AUTO_TEST_CASE(every_bad_token_gets_its_own_error_and_exit_code_1) {
    const node n;
    for (const bad_token& bad : bad_tokens(n)) {
        const outcome o = n.run_as(with_token(n, bad.token), {"job", "list"});
        BOOST_TEST_CONTEXT(bad.name << ": " << o.err) {
            BOOST_TEST(o.status == 1);
            BOOST_TEST(o.out.empty());
            BOOST_TEST(contains(o.err, "coppice: job list: " + bad.error + ": "));
            BOOST_TEST(!contains(o.err, bad.token));
        }
    }
    const std::string good = forged(key_of(n), header_of(std::string{to_string(key_of(n).alg())}, key_of(n).kid()),
                                    claims_ending_in(std::chrono::seconds{60}));
    BOOST_TEST(n.run_as(with_token(n, good), {"job", "list"}).status == 0);
}

// The node holds a public key; its text is no secret, and must not become one.
BOOST_AUTO_TEST_CASE(a_public_key_is_not_taken_for_a_secret) {
    const scratch_directory files;
    const process keygen({.argv = {"/usr/bin/openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout",
                                   "-out", (files / "private.pem").string()}});
    BOOST_REQUIRE(eventually([&] { return !read_file(files / "private.pem").empty(); }));
    process derive({.argv = {"/usr/bin/openssl", "ec", "-in", (files / "private.pem").string(), "-pubout", "-out",
                             (files / "e1.pem").string()}});
    BOOST_REQUIRE_EQUAL(derive.wait(), 0);
    const std::string public_pem = read_file(files / "e1.pem");
    const node n;
    std::filesystem::copy_file(files / "e1.pem", n.data() / "keys" / "e1.pem");
    std::filesystem::permissions(n.data() / "keys" / "e1.pem", std::filesystem::perms::owner_read);
    process serving({.argv = {program(), "serve", "--data", (files / "data").string(), "--listen", "127.0.0.1:0",
                              "--metrics-listen", "127.0.0.1:0", "--config",
                              files.write("node.yaml", "auth: {keys: " + (files / "e1.pem").string() + "}\n")}});
    std::filesystem::permissions(files / "e1.pem", std::filesystem::perms::owner_read);
    std::string address;
    BOOST_REQUIRE(eventually([&] {
        const std::string said = serving.out();
        const std::string before = "coppice: serving on ";
        const auto at = said.find(before);
        const auto end = at == std::string::npos ? at : said.find('\n', at);
        if (end != std::string::npos) address = said.substr(at + before.size(), end - at - before.size());
        return !address.empty();
    }));
    const auto asked = [&](const std::string& token) {
        return n.run_as({{"COPPICE_SERVER", address}, {"COPPICE_TOKEN", token}}, {"job", "list"});
    };
    const json good = claims_ending_in(std::chrono::seconds{600});
    const auto secret = *signing_key::hs256("e1", public_pem);
    for (const char* alg : {"HS256", "ES256"}) {
        const outcome o = asked(forged(secret, header_of(alg, "e1"), good));
        BOOST_TEST_CONTEXT(alg << o.err) {
            BOOST_TEST(o.status == 1);
            BOOST_TEST(contains(o.err, "unauthenticated"));
        }
    }
    const auto real = *signing_key::es256_pem("e1", read_file(files / "private.pem"));
    const outcome o = asked(forged(real, header_of("ES256", "e1"), good));
    BOOST_TEST_CONTEXT(o.err) BOOST_TEST(o.status == 0);
    serving.signal(SIGTERM);
    serving.wait();
}

BOOST_AUTO_TEST_CASE(a_session_ends_with_its_token) {
    const node n;
    const std::string token = token_for(n, "sre", {}, {"--ttl", "2s"});
    session s(n, token);
    BOOST_TEST(to_string(s.login_code()) == "ok");
    const auto list = [&] {
        auto answer = s.jobs().listRequest().send().wait(s.scope());
        return name_of(answer.getFailure());
    };
    BOOST_TEST(list() == "ok");
    BOOST_TEST(eventually([&] { return list() == "token_expired"; }));
    BOOST_TEST(to_string(submit_one(s, {}).code) == "token_expired");
    auto watch = s.jobs().watchRequest();
    watch.setTimeoutMs(10);
    BOOST_TEST(name_of(watch.send().wait(s.scope()).getFailure()) != "ok");
    BOOST_TEST(name_of(s.jobs().followRequest().send().wait(s.scope()).getFailure()) == "token_expired");
    BOOST_TEST(name_of(s.platform().applyRequest().send().wait(s.scope()).getFailure()) == "token_expired");
    BOOST_TEST(name_of(s.platform().treeRequest().send().wait(s.scope()).getFailure()) == "token_expired");
    BOOST_TEST(name_of(s.workers().attachRequest().send().wait(s.scope()).getFailure()) == "token_expired");
    BOOST_TEST(contains(n.run_as(with_token(n, token), {"job", "list"}).err, "token_expired"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end

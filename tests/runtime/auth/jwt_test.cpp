#include "runtime/auth/jwt.hpp"

#include <array>

#include "schema/limits.hpp"
#include "token_fixture.hpp"

using namespace coppice;
using namespace coppice::auth_test;
using namespace std::chrono_literals;

namespace {

// RFC 7515, A.1 and A.3.
const std::string rfc_payload =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
const std::string rfc_payload_text =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const std::string a1_token =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfc_payload_text + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const std::string a3_token =
    "eyJhbGciOiJFUzI1NiJ9." + rfc_payload_text +
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

signing_key a1_key() {
    return *signing_key::hs256("a1",
                               *base64url_decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3"
                                                 "Yj0iPS4hcgUuTwjAzZr1Z9CAow"));
}

} // namespace

BOOST_AUTO_TEST_SUITE(jwt)

BOOST_AUTO_TEST_CASE(the_vectors_of_rfc_7515_verify) {
    const std::array keys{a1_key(), ec_key("a3", false)};
    const auto a1 = verify_jws(a1_token, keys);
    BOOST_REQUIRE(a1);
    BOOST_TEST(a1->payload == rfc_payload);
    BOOST_TEST(a1->key->kid() == "a1");
    const auto a3 = verify_jws(a3_token, keys);
    BOOST_REQUIRE(a3);
    BOOST_TEST(a3->payload == rfc_payload);
    BOOST_TEST(a3->key->kid() == "a3");
}

BOOST_AUTO_TEST_CASE(signing_the_text_of_rfc_7515_a1_gives_its_signature) {
    const std::string text = a1_token.substr(0, a1_token.rfind('.'));
    BOOST_TEST(base64url_encode(*a1_key().sign(text)) == a1_token.substr(text.size() + 1));
}

BOOST_AUTO_TEST_CASE(an_issued_token_is_accepted_and_says_what_was_put_in) {
    const auto verifier = verifier_of({hmac_key(), ec_key()});
    for (const signing_key& key : {hmac_key(), ec_key()}) {
        const auto token = issue_token(key, good_claims());
        BOOST_REQUIRE(token);
        const auto result = verifier.verify(*token, now);
        BOOST_REQUIRE(result);
        BOOST_TEST((result->who == good_claims().who));
        BOOST_TEST((result->expires_at == good_claims().expires_at));
        BOOST_TEST(result->kid == key.kid());
    }
}

BOOST_AUTO_TEST_CASE(the_forger_of_these_tests_can_make_a_good_token) {
    // Or else every refusal below could have another reason than the one it is for.
    const auto verifier = verifier_of({hmac_key()});
    BOOST_TEST(verifier.verify(forge(good_body() + "}"), now).has_value());
    BOOST_TEST(
        verifier.verify(forge(good_body() + R"(,"nbf":1.5,"iat":2,"iss":"x","jti":{"a":[1]}})"), now).has_value());
}

BOOST_AUTO_TEST_CASE(alg_none_is_refused_however_it_is_spelled) {
    const auto verifier = verifier_of({hmac_key()});
    for (const std::string alg : {"none", "None", "NONE", "nOnE", ""}) {
        const std::string text =
            base64url_encode(R"({"alg":")" + alg + R"("})") + '.' + base64url_encode(good_body() + "}");
        check_refused(verifier, text + '.');
        check_refused(verifier, text + ".AA");
        check_refused(verifier, text + '.' + base64url_encode(*hmac_key().sign(text)));
    }
}

BOOST_AUTO_TEST_CASE(an_hmac_made_with_the_public_key_is_refused) {
    const std::string pem = "-----BEGIN PUBLIC KEY-----\n"
                            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
                            "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
                            "-----END PUBLIC KEY-----\n";
    const auto public_key = signing_key::es256_pem("e1", pem);
    BOOST_REQUIRE(public_key);
    BOOST_TEST(verify_jws(a3_token, std::array{*public_key}).has_value()); // the same key, in PEM
    const auto forger = *signing_key::hs256("e1", pem);
    const auto alone = verifier_of({*public_key});
    const auto beside_a_secret = verifier_of({*public_key, hmac_key()});
    for (const char* header : {R"({"alg":"HS256","kid":"e1"})", R"({"alg":"ES256","kid":"e1"})",
                               R"({"alg":"HS256"})", R"({"alg":"ES256"})"}) {
        check_refused(alone, forge(forger, header, good_body() + "}"));
        check_refused(beside_a_secret, forge(forger, header, good_body() + "}"));
    }
}

BOOST_AUTO_TEST_CASE(the_wrong_key_is_refused) {
    const auto verifier = verifier_of({hmac_key("h1"), hmac_key("h2", 'x'), ec_key("e1")});
    const std::string body = good_body() + "}";
    check_refused(verifier, forge(hmac_key("h1", 'z'), R"({"alg":"HS256","kid":"h1"})", body));
    check_refused(verifier, forge(hmac_key("h2", 'x'), R"({"alg":"HS256","kid":"h1"})", body));
    check_refused(verifier, forge(hmac_key("h1"), R"({"alg":"HS256","kid":"nobody"})", body));
    check_refused(verifier, forge(hmac_key("h1"), R"({"alg":"HS256","kid":7})", body));
    check_refused(verifier, forge(hmac_key("h1"), R"({"alg":"HS256","kid":""})", body));
}

BOOST_AUTO_TEST_CASE(a_token_without_kid_is_accepted_only_when_one_key_can_be_meant) {
    const std::string token = forge(hmac_key(), R"({"alg":"HS256"})", good_body() + "}");
    BOOST_TEST(verifier_of({hmac_key(), ec_key()}).verify(token, now).has_value());
    check_refused(verifier_of({hmac_key("h1"), hmac_key("h2", 'x')}), token);
    check_refused(verifier_of({ec_key()}), token);
}

BOOST_AUTO_TEST_CASE(the_header_is_taken_strictly) {
    const auto verifier = verifier_of({hmac_key()});
    for (const char* header :
         {R"({"kid":"h1"})", R"({"alg":null,"kid":"h1"})", R"({"alg":["HS256"],"kid":"h1"})",
          R"({"alg":"HS512","kid":"h1"})", R"({"alg":"hs256","kid":"h1"})",
          R"({"alg":"HS256","kid":"h1","crit":["exp"],"exp":1})", R"({"alg":"HS256","kid":"h1","crit":[]})",
          R"({"alg":"HS256","kid":"h1","b64":false,"crit":["b64"]})", R"({"alg":"none","alg":"HS256","kid":"h1"})",
          R"({"alg":"HS256","kid":"h1","typ":"JWE"})", R"({"alg":"HS256","kid":"h1","typ":1})", R"(["HS256"])",
          "null", "{", "{}x", "\xff", "", R"({"alg":"HS256","kid":"h1",})", R"({"alg":"HS256","kid":"h1"/**/})"})
        check_refused(verifier, forge(hmac_key(), header, good_body() + "}"));
    BOOST_TEST(
        verifier.verify(forge(hmac_key(), R"({"alg":"HS256","kid":"h1","typ":"jwt"})", good_body() + "}"), now)
            .has_value());
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused) {
    const auto verifier = verifier_of({hmac_key()});
    const auto nested = [](std::size_t n) {
        return forge(good_body() + R"(,"x":)" + std::string(n, '[') + std::string(n, ']') + "}");
    };
    check_refused(verifier, nested(limits::json_depth_max + 1));
    check_refused(verifier, nested(2500));
    BOOST_TEST(verifier.verify(nested(limits::json_depth_max - 2), now).has_value());
}

BOOST_AUTO_TEST_CASE(times_are_checked_against_the_time_given) {
    const auto verifier = verifier_of({hmac_key()});
    const std::string token = *issue_token(hmac_key(), good_claims());
    const instant end = good_claims().expires_at;
    BOOST_TEST(verifier.verify(token, end - 1us).has_value());
    check_refused(verifier, token, errc::token_expired, end);
    check_refused(verifier, token, errc::token_expired, end + 100 * 24h);

    for (const bool by_iat : {true, false}) {
        token_claims claims = good_claims();
        (by_iat ? claims.issued_at : claims.not_before.emplace()) = now;
        const std::string later = *issue_token(hmac_key(), claims);
        BOOST_TEST(verifier.verify(later, now - limits::token_leeway).has_value());
        check_refused(verifier, later, errc::unauthenticated, now - limits::token_leeway - 1us);
    }
}

BOOST_AUTO_TEST_CASE(an_end_that_is_missing_or_no_number_is_refused) {
    const auto verifier = verifier_of({hmac_key()});
    const std::string rest = R"({"role":"service","tenant":"acme","sub":"billing","aud":"coppice")";
    check_refused(verifier, forge(rest + "}"));
    for (const char* exp : {R"("1890000000")", "null", "true", "[1890000000]", "{}", "-1", "1e300", "253402300800"})
        check_refused(verifier, forge(rest + R"(,"exp":)" + exp + "}"));
    check_refused(verifier, forge(rest + R"(,"exp":1e400})"));
    check_refused(verifier, forge(rest + R"(,"exp":0})"), errc::token_expired);
    for (const char* name : {"nbf", "iat"})
        for (const char* value : {R"("1")", "null", "-5", "1e18"})
            check_refused(verifier, forge(good_body() + ",\"" + name + "\":" + value + "}"));
}

BOOST_AUTO_TEST_CASE(the_audience_must_be_meant) {
    const auto verifier = verifier_of({hmac_key()});
    const std::string rest = R"({"role":"service","tenant":"acme","sub":"billing","exp":1890000000)";
    const auto with = [&](const std::string& aud) { return forge(rest + R"(,"aud":)" + aud + "}"); };
    check_refused(verifier, forge(rest + "}"), errc::token_audience);
    for (const char* aud : {R"("other")", R"("Coppice")", R"("coppice ")", R"(["other"])", "[]", "7", "null",
                            R"({"coppice":1})", R"(["coppice",7])"})
        check_refused(verifier, with(aud), errc::token_audience);
    BOOST_TEST(verifier.verify(with(R"(["other","coppice"])"), now).has_value());
    BOOST_TEST(verifier_of({hmac_key()}, {.audience = "other"}).verify(with(R"("other")"), now).has_value());
    std::string many = "[";
    for (std::size_t i = 0; i < limits::token_audiences_max; ++i) many += "\"a\",";
    check_refused(verifier, with(many + "\"coppice\"]"), errc::token_audience);
}

BOOST_AUTO_TEST_CASE(the_issuer_counts_only_when_one_is_configured) {
    const auto strict = verifier_of({hmac_key()}, {.issuer = "https://id.example"});
    token_claims claims = good_claims();
    check_refused(strict, *issue_token(hmac_key(), claims));
    claims.issuer = "https://evil.example";
    check_refused(strict, *issue_token(hmac_key(), claims));
    BOOST_TEST(verifier_of({hmac_key()}).verify(*issue_token(hmac_key(), claims), now).has_value());
    claims.issuer = "https://id.example";
    BOOST_TEST(strict.verify(*issue_token(hmac_key(), claims), now).has_value());
    check_refused(verifier_of({hmac_key()}), forge(good_body() + R"(,"iss":7})"));
}

BOOST_AUTO_TEST_CASE(roles_tenants_and_subjects_are_checked) {
    const auto verifier = verifier_of({hmac_key()});
    const auto with = [&](const std::string& members) {
        return forge(R"({"aud":"coppice","exp":1890000000)" + members + "}");
    };
    for (const char* members :
         {R"(,"sub":"a")", R"(,"sub":"a","role":"root")", R"(,"sub":"a","role":["sre"])",
          R"(,"sub":"a","role":"SRE")", R"(,"sub":"a","role":"service")",
          R"(,"sub":"a","role":"project-maintainer")", R"(,"sub":"a","role":"service","tenant":null)",
          R"(,"sub":"a","role":"sre","tenant":null)", R"(,"sub":"a","role":"service","tenant":"")",
          R"(,"sub":"a","role":"sre","tenant":"../x")", R"(,"sub":"a","role":"service","tenant":"Acme")",
          R"(,"sub":"a","role":"service","tenant":"-a")", R"(,"sub":"a","role":"service","tenant":["acme"])",
          R"(,"role":"sre")", R"(,"role":"sre","sub":"")", R"(,"role":"sre","sub":7)",
          R"(,"role":"sre","sub":"a\nb")"})
        check_refused(verifier, with(members));
    check_refused(verifier, with(R"(,"role":"sre","sub":")" + std::string(256, 'a') + '"'));
    check_refused(verifier, with(R"(,"role":"service","sub":"a","tenant":")" + std::string(64, 'a') + '"'));
    for (const role r : all_roles()) {
        const std::string members = R"(,"sub":"a","role":")" + std::string{to_string(r)} + '"';
        BOOST_TEST(verifier.verify(with(members), now).has_value() == !needs_tenant(r));
        const auto with_tenant = verifier.verify(with(members + R"(,"tenant":"acme")"), now);
        BOOST_REQUIRE(with_tenant);
        BOOST_TEST((with_tenant->who == principal{r, "acme", "a"}));
    }
}

BOOST_AUTO_TEST_CASE(a_claim_named_twice_is_refused_at_any_depth) {
    const auto verifier = verifier_of({hmac_key()});
    check_refused(verifier, forge(good_body() + R"(,"tenant":"acme"})"));
    check_refused(verifier, forge(good_body() + R"(,"tenant":"other"})"));
    check_refused(verifier, forge(good_body() + R"(,"x":{"a":1,"\u0061":2}})"));
    BOOST_TEST(verifier.verify(forge(good_body() + R"(,"x":[{"a":1},{"a":{"a":2}}]})"), now).has_value());
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_noticed) {
    for (const signing_key& key : {hmac_key("k"), ec_key("k")}) {
        const auto verifier = verifier_of({key});
        const std::string token = *issue_token(key, good_claims());
        BOOST_REQUIRE(verifier.verify(token, now));
        for (std::size_t i = 0; i < token.size(); ++i)
            for (int bit = 0; bit < 8; ++bit) {
                std::string flipped = token;
                flipped[i] = static_cast<char>(flipped[i] ^ 1 << bit);
                BOOST_REQUIRE_MESSAGE(!verifier.verify(flipped, now), "bit " << bit << " of character " << i);
            }
    }
}

BOOST_AUTO_TEST_CASE(a_token_cut_or_lengthened_anywhere_is_refused) {
    const auto verifier = verifier_of({hmac_key()});
    const std::string token = *issue_token(hmac_key(), good_claims());
    for (std::size_t i = 0; i < token.size(); ++i) {
        BOOST_REQUIRE(!verifier.verify(token.substr(0, i), now));
        BOOST_REQUIRE(!verifier.verify(token.substr(i + 1), now));
        for (const char c : {'A', '.', '=', ' ', '\n', '\0'})
            BOOST_REQUIRE(!verifier.verify(token.substr(0, i) + c + token.substr(i), now));
    }
    for (const std::string tail : {"=", "==", ".", ".AA", " ", "\n", "AAAA"}) check_refused(verifier, token + tail);
    for (const std::string text : {"", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "Bearer x"})
        check_refused(verifier, text);
}

BOOST_AUTO_TEST_CASE(spare_bits_of_the_last_character_must_be_zero) {
    const auto verifier = verifier_of({hmac_key()});
    const std::string token = *issue_token(hmac_key(), good_claims());
    // 32 bytes leave two spare bits: three other last characters decode to the same signature when they are
    // ignored.
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const std::size_t last = alphabet.find(token.back());
    BOOST_TEST(last % 4 == 0U);
    for (std::size_t spare = 1; spare < 4; ++spare) {
        std::string other = token;
        other.back() = alphabet[last + spare];
        check_refused(verifier, other);
    }
}

BOOST_AUTO_TEST_CASE(a_token_beyond_the_bound_is_refused_even_when_well_signed) {
    const auto verifier = verifier_of({hmac_key()});
    const auto padded = [](std::size_t n) {
        return forge(good_body() + R"(,"x":")" + std::string(n, 'x') + "\"}");
    };
    std::size_t fits = 5000;
    while (padded(fits + 1).size() <= limits::token_size_max) ++fits;
    BOOST_TEST(verifier.verify(padded(fits), now).has_value());
    check_refused(verifier, padded(fits + 1));
    check_refused(verifier, std::string(10'000'000, 'e'));
}

BOOST_AUTO_TEST_CASE(an_es256_signature_is_r_and_s_of_32_bytes_and_nothing_else) {
    const auto verifier = verifier_of({ec_key()});
    const std::string token = *issue_token(ec_key(), good_claims());
    const std::string text = token.substr(0, token.rfind('.') + 1);
    const std::string raw = *base64url_decode(token.substr(text.size()));
    BOOST_TEST(raw.size() == 64U);
    const std::string zero(32, '\0');
    for (const std::string& signature :
         {raw.substr(0, 63), raw + '\0', '\0' + raw, zero + zero, raw.substr(0, 32) + zero, zero + raw.substr(32),
          std::string(64, '\xff'), raw.substr(32) + raw.substr(0, 32),
          std::string("\x30\x06\x02\x01\x01\x02\x01\x01")})
        check_refused(verifier, text + base64url_encode(signature));
}

BOOST_AUTO_TEST_CASE(claims_that_would_be_refused_are_not_issued) {
    const auto refused = [](auto change) {
        token_claims claims = good_claims();
        change(claims);
        const auto token = issue_token(hmac_key(), claims);
        return !token && token.error().code == errc::invalid_argument;
    };
    BOOST_TEST(refused([](token_claims& c) { c.who.tenant.reset(); }));
    BOOST_TEST(refused([](token_claims& c) { c.who.tenant = "No Name"; }));
    BOOST_TEST(refused([](token_claims& c) { c.who.subject.clear(); }));
    BOOST_TEST(refused([](token_claims& c) { c.who.subject = "\xff\xfe"; }));
    BOOST_TEST(refused([](token_claims& c) { c.audience.clear(); }));
    BOOST_TEST(refused([](token_claims& c) { c.expires_at = c.issued_at; }));
    BOOST_TEST(refused([](token_claims& c) { c.expires_at = never; }));
    BOOST_TEST(refused([](token_claims& c) { c.issuer = std::string(10'000, 'i'); }));
    BOOST_TEST(!issue_token(ec_key("e1", false), good_claims()));
}

BOOST_AUTO_TEST_CASE(a_verifier_needs_keys_with_kids_of_their_own) {
    BOOST_TEST(!token_verifier::make({}, {}));
    BOOST_TEST(!token_verifier::make({hmac_key("a"), ec_key("a")}, {}));
    BOOST_TEST(!token_verifier::make({hmac_key("a")}, {.audience = ""}));
}

BOOST_AUTO_TEST_CASE(weak_and_broken_keys_are_refused) {
    BOOST_TEST(!signing_key::hs256("a", std::string(31, 'x')));
    BOOST_TEST(signing_key::hs256("a", std::string(32, 'x')).has_value());
    BOOST_TEST(!signing_key::hs256("a", std::string(1025, 'x')));
    BOOST_TEST(!signing_key::hs256("", std::string(32, 'x')));
    BOOST_TEST(!signing_key::hs256("a b", std::string(32, 'x')));
    BOOST_TEST(!signing_key::hs256(std::string(129, 'a'), std::string(32, 'x')));
    const std::string one(32, '\1');
    BOOST_TEST(!signing_key::es256_point("a", one, one, ""));           // not on the curve
    BOOST_TEST(!signing_key::es256_point("a", one.substr(1), one, "")); // cut
    BOOST_TEST(!signing_key::es256_pem("a", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
    BOOST_TEST(!signing_key::es256_pem("a", ""));
}

BOOST_AUTO_TEST_CASE(base64url_reads_back_what_it_wrote_and_takes_nothing_else) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        BOOST_REQUIRE(base64url_decode(base64url_encode(bytes)) == bytes);
        bytes += static_cast<char>(i * 37);
    }
    BOOST_TEST(base64url_encode("\xfb\xff\xfe") == "-__-");
    for (const std::string text : {"A", "AAAAA", "AA==", "AA=", "+/+/", "AA AA", "AB", "AAB", "\xff\xff"})
        BOOST_TEST(!base64url_decode(text));
}

BOOST_AUTO_TEST_SUITE_END()

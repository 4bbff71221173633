#include "runtime/auth/key_file.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "schema/limits.hpp"
#include "token_fixture.hpp"

using namespace coppice;
using namespace coppice::auth_test;
namespace fs = std::filesystem;

namespace {

const std::string secret_text = base64url_encode(std::string(32, 'S'));
const std::string oct_jwk = R"({"kty":"oct","alg":"HS256","kid":"h1","k":")" + secret_text + R"("})";
const std::string ec_public =
    R"("kty":"EC","crv":"P-256","alg":"ES256","kid":"e1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
const std::string ec_private = ec_public + R"(,"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")";

struct key_directory {
    key_directory() {
        std::string name = (fs::temp_directory_path() / "coppice-keys-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~key_directory() { fs::remove_all(path); }

    std::string put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::string file = (path / name).string();
        std::ofstream{file} << text;
        BOOST_REQUIRE(::chmod(file.c_str(), mode) == 0);
        return file;
    }
    void openssl(const std::string& arguments) const {
        const std::string command =
            "cd '" + path.string() + "' && umask 077 && openssl " + arguments + " 2>/dev/null";
        BOOST_REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command); // NOLINT: fixed arguments
    }
    fs::path path;
};

void check_refused(const std::string& path, const std::string& word, errc code = errc::invalid_argument) {
    const auto result = load_keys(path);
    BOOST_TEST_CONTEXT(path << ", for " << word) {
        BOOST_REQUIRE(!result);
        BOOST_TEST_INFO(result.error().detail);
        BOOST_TEST(to_string(result.error().code) == to_string(code));
        BOOST_TEST(result.error().detail.find(path) != std::string::npos);
        BOOST_TEST(result.error().detail.find(word) != std::string::npos);
        BOOST_TEST(result.error().detail.find(secret_text) == std::string::npos);
    }
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(key_file, key_directory)

BOOST_AUTO_TEST_CASE(a_created_key_file_loads_and_its_key_signs) {
    const std::string file = (path / "first.jwk").string();
    const auto made = create_hs256_key_file(file, "first");
    BOOST_REQUIRE(made);
    struct stat status {};
    BOOST_REQUIRE(::stat(file.c_str(), &status) == 0);
    BOOST_TEST((status.st_mode & 07777) == 0600U);
    const auto loaded = load_keys(file);
    BOOST_REQUIRE(loaded);
    const auto token = issue_token(*made, good_claims());
    BOOST_REQUIRE(token);
    BOOST_TEST(verifier_of(*loaded).verify(*token, now).has_value());
    BOOST_TEST(std::distance(fs::directory_iterator{path}, {}) == 1); // no draft left behind
}

BOOST_AUTO_TEST_CASE(a_key_file_is_never_overwritten) {
    const std::string file = put("there.jwk", "precious");
    const auto made = create_hs256_key_file(file, "k");
    BOOST_REQUIRE(!made);
    BOOST_TEST((made.error().code == errc::already_exists));
    BOOST_TEST(fs::file_size(file) == 8U);
    BOOST_TEST(std::distance(fs::directory_iterator{path}, {}) == 1);
    BOOST_TEST(!create_hs256_key_file((path / "no" / "such.jwk").string(), "k"));
    BOOST_TEST(!create_hs256_key_file((path / "a.jwk").string(), "not a kid"));
}

BOOST_AUTO_TEST_CASE(two_created_keys_differ) {
    const auto a = create_hs256_key_file((path / "a.jwk").string(), "k");
    const auto b = create_hs256_key_file((path / "b.jwk").string(), "k");
    BOOST_REQUIRE((a && b));
    BOOST_TEST(*a->sign("x") != *b->sign("x"));
}

BOOST_AUTO_TEST_CASE(a_directory_gives_all_its_keys) {
    put("1.jwk", oct_jwk);
    put("2.json", R"({"keys":[{)" + ec_private + "}]}");
    put(".hidden", "not a key");
    openssl("ecparam -name prime256v1 -genkey -noout -out sec1.pem");
    openssl("pkcs8 -topk8 -nocrypt -in sec1.pem -out pkcs8.pem");
    openssl("ec -in sec1.pem -pubout -out public.pem");
    BOOST_REQUIRE(::chmod((path / "public.pem").c_str(), 0644) == 0);
    const auto keys = load_keys(path.string());
    BOOST_REQUIRE_MESSAGE(keys, keys.error().detail);
    std::string kids;
    for (const signing_key& key : *keys) kids += key.kid() + (key.can_sign() ? "+ " : "- ");
    BOOST_TEST(kids == "h1+ e1+ pkcs8+ public- sec1+ ");
    const std::string text = *keys->at(2).sign("text");
    BOOST_TEST(keys->at(3).verify("text", text));
    BOOST_TEST(!keys->at(3).verify("texts", text));
    BOOST_TEST(!keys->at(1).verify("text", text));
}

BOOST_AUTO_TEST_CASE(a_secret_that_others_can_reach_is_refused) {
    for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0601, 0666}) {
        check_refused(put("s.jwk", oct_jwk, mode), "chmod 600");
        check_refused(put("e.jwk", "{" + ec_private + "}", mode), "chmod 600");
    }
    BOOST_TEST(load_keys(put("p.jwk", "{" + ec_public + "}", 0644)).has_value());
    check_refused(put("p.jwk", "{" + ec_public + "}", 0664), "go-w");
    check_refused(put("p.jwk", "{" + ec_public + "}", 0646), "go-w");
    put("p.jwk", "{" + ec_public + "}");
    fs::remove(path / "s.jwk");
    fs::remove(path / "e.jwk");
    BOOST_TEST(load_keys(path.string()).has_value());
    BOOST_REQUIRE(::chmod(path.c_str(), 0777) == 0);
    check_refused(path.string(), "go-w");
}

BOOST_AUTO_TEST_CASE(whatever_is_no_key_is_refused_by_name) {
    check_refused((path / "absent.jwk").string(), "No such file", errc::not_found);
    check_refused(path.string(), "holds no key");
    check_refused(put("k.txt", oct_jwk), "must end in");
    check_refused(put("empty.jwk", ""), "not a JSON object");
    check_refused(put("big.jwk", std::string(limits::key_file_size_max + 1, ' ')), "larger than");
    const std::string k = R"(,"k":")" + secret_text + "\"}";
    check_refused(put("k.jwk", R"({"kty":"oct","alg":"HS256")" + k), "kid");
    check_refused(put("k.jwk", R"({"kty":"oct","kid":"a")" + k), "alg");
    check_refused(put("k.jwk", R"({"alg":"HS256","kid":"a")" + k), "kty");
    check_refused(put("k.jwk", R"({"kty":"oct","alg":"none","kid":"a")" + k), "alg");
    check_refused(put("k.jwk", R"({"kty":"oct","alg":"ES256","kid":"a")" + k), "kty and alg");
    check_refused(put("k.jwk", R"({"kty":"oct","alg":"HS256","kid":"a","kid":"b")" + k), "twice");
    check_refused(put("k.jwk", R"({"kty":"oct","use":"enc","alg":"HS256","kid":"a")" + k), "use");
    check_refused(put("k.jwk", R"({"kty":"oct","alg":"HS256","kid":"a"})"), "k is missing");
    check_refused(put("k.jwk", R"({"kty":"oct","alg":"HS256","kid":"a","k":")" + secret_text + "=\"}"),
                  "base64url");
    check_refused(put("k.jwk", R"({"kty":"oct","alg":"HS256","kid":"a","k":"c2hvcnQ"})"), "32");
    check_refused(put("k.jwk", R"({"keys":7})"), "keys");
    check_refused(put("k.jwk", R"({"keys":[]})"), "holds no key");
    check_refused(put("k.jwk", R"({"keys":[7]})"), "not an object");
    check_refused(put("k.jwk", R"({"keys":[)" + oct_jwk + "," + oct_jwk + "]}"), "twice");
    std::string other_d = ec_private;
    other_d.replace(other_d.rfind("jps"), 3, "kps");
    check_refused(put("k.jwk", "{" + other_d + "}"), "P-256");
    check_refused(put("k.jwk", "{" + ec_public + R"(,"d":""})"), "d is missing");
}

BOOST_AUTO_TEST_CASE(what_is_no_file_is_refused_without_waiting) {
    const std::string fifo = (path / "f.jwk").string();
    BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    check_refused(fifo, "regular");
    fs::remove(fifo);
    fs::create_directory(path / "d.jwk");
    const auto result = load_keys(path.string());
    BOOST_REQUIRE(!result);
    BOOST_TEST(result.error().detail.find("d.jwk") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(pem_keys_of_another_kind_are_refused) {
    openssl("ecparam -name secp384r1 -genkey -noout -out p384.pem");
    openssl("genpkey -algorithm ed25519 -out ed.pem");
    openssl("ecparam -name prime256v1 -param_enc explicit -genkey -noout -out explicit.pem");
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:x -out encrypted.pem");
    check_refused((path / "p384.pem").string(), "P-256");
    check_refused((path / "ed.pem").string(), "P-256");
    check_refused((path / "explicit.pem").string(), "P-256");
    check_refused((path / "encrypted.pem").string(), "unencrypted");
    check_refused(put("x.pem", "-----BEGIN PRIVATE KEY-----\n"), "no PEM block");
}

BOOST_AUTO_TEST_SUITE_END()

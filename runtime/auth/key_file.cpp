#include "runtime/auth/key_file.hpp"

#include <algorithm>
#include <dirent.h>
#include <filesystem>
#include <memory>
#include <openssl/rand.h>
#include <set>
#include <sys/stat.h>

#include "persistence/secret_file.hpp"
#include "runtime/auth/strict_json.hpp"
#include "schema/base64url.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

using nlohmann::json;
using keys = std::vector<signing_key>;

tl::unexpected<failure> bad(const std::string& path, const std::string& what) {
    return fail(errc::invalid_argument, path + ": " + what);
}

expected<std::string> number_member(const json& jwk, const char* name) {
    const std::string* text = string_member(jwk, name);
    auto bytes = text ? base64url_decode(*text) : std::nullopt;
    if (!bytes || bytes->empty())
        return fail(errc::invalid_argument, std::string{name} + " is missing or not strict base64url");
    return std::move(*bytes);
}

expected<signing_key> key_from_jwk(const json& jwk) {
    const std::string* kty = string_member(jwk, "kty");
    const std::string* kid = string_member(jwk, "kid");
    const std::string* alg_name = string_member(jwk, "alg");
    if (!kty || !kid || !alg_name)
        return fail(errc::invalid_argument, "a key needs kty, kid and alg, all of them strings");
    const auto alg = algorithm_from_name(*alg_name);
    if (!alg) return fail(errc::invalid_argument, "alg is not one of HS256, ES256");
    if (jwk.contains("use") && jwk["use"] != "sig") return fail(errc::invalid_argument, "use is not sig");
    if (*kty == "oct" && *alg == algorithm::hs256) {
        const auto secret = number_member(jwk, "k");
        if (!secret) return tl::unexpected{secret.error()};
        return signing_key::hs256(*kid, *secret);
    }
    if (*kty == "EC" && *alg == algorithm::es256) {
        const std::string* crv = string_member(jwk, "crv");
        if (!crv || *crv != "P-256") return fail(errc::invalid_argument, "crv is not P-256");
        const auto x = number_member(jwk, "x"), y = number_member(jwk, "y");
        const auto d = jwk.contains("d") ? number_member(jwk, "d") : expected<std::string>{};
        for (const auto* number : {&x, &y, &d})
            if (!*number) return tl::unexpected{number->error()};
        return signing_key::es256_point(*kid, *x, *y, *d);
    }
    return fail(errc::invalid_argument, "kty and alg do not go together; oct is for HS256, EC for ES256");
}

expected<keys> keys_from_json(std::string_view text) {
    const auto document = parse_strict_object(text);
    if (!document) return fail(errc::invalid_argument, "not a JSON object, or one with a member named twice");
    keys found;
    const auto add = [&](const json& jwk) -> expected<void> {
        auto key = jwk.is_object() ? key_from_jwk(jwk) : fail(errc::invalid_argument, "a key is not an object");
        if (!key) return tl::unexpected{key.error()};
        found.push_back(std::move(*key));
        return {};
    };
    const auto set = document->find("keys");
    if (set == document->end()) {
        if (const auto ok = add(*document); !ok) return tl::unexpected{ok.error()};
        return found;
    }
    if (!set->is_array() || set->size() > limits::keys_max)
        return fail(errc::invalid_argument,
                    "`keys` is not a list of at most " + std::to_string(limits::keys_max) + " keys");
    for (const json& jwk : *set)
        if (const auto ok = add(jwk); !ok) return tl::unexpected{ok.error()};
    return found;
}

expected<keys> load_file(const std::string& path) {
    const std::filesystem::path name{path};
    const bool is_pem = name.extension() == ".pem";
    if (!is_pem && name.extension() != ".jwk" && name.extension() != ".json")
        return bad(path, "a key file's name must end in .jwk, .json or .pem");
    wiped_text file;
    const auto mode = read_small_file(path, limits::key_file_size_max, file.text);
    if (!mode) return tl::unexpected{mode.error()};
    expected<keys> found;
    if (is_pem) {
        auto key = signing_key::es256_pem(name.stem().string(), file.text);
        if (!key) return bad(path, key.error().detail);
        found->push_back(std::move(*key));
    } else {
        found = keys_from_json(file.text);
        if (!found) return bad(path, found.error().detail);
    }
    const bool secret = std::ranges::any_of(*found, &signing_key::can_sign);
    if (secret && (*mode & 077) != 0)
        return bad(path, "holds a secret that others than its owner can reach; chmod 600 it");
    if ((*mode & 022) != 0) return bad(path, "others than its owner can write it; chmod go-w it");
    return found;
}

expected<std::vector<std::string>> files_of(const std::string& directory) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(directory.c_str()), ::closedir};
    if (!open) return file_error(directory, "cannot open");
    std::vector<std::string> files;
    while (const dirent* entry = ::readdir(open.get())) { // NOLINT: a DIR of our own
        const std::string_view name{entry->d_name};
        if (name.starts_with('.')) continue;
        if (files.size() == limits::keys_max)
            return bad(directory, "more than " + std::to_string(limits::keys_max) + " files");
        files.push_back(directory + "/" + std::string{name});
    }
    std::ranges::sort(files);
    return files;
}

} // namespace

expected<std::vector<signing_key>> load_keys(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return file_error(path, "cannot open");
    std::vector<std::string> files{path};
    if (S_ISDIR(status.st_mode)) {
        if ((status.st_mode & 022) != 0) return bad(path, "others than its owner can write it; chmod go-w it");
        auto listed = files_of(path);
        if (!listed) return tl::unexpected{listed.error()};
        files = std::move(*listed);
    }
    keys all;
    std::set<std::string> kids;
    for (const std::string& file : files) {
        auto found = load_file(file);
        if (!found) return tl::unexpected{found.error()};
        for (signing_key& key : *found) {
            if (!kids.insert(key.kid()).second) return bad(file, "the kid " + key.kid() + " is there twice");
            all.push_back(std::move(key));
        }
    }
    if (all.empty()) return bad(path, "holds no key");
    if (all.size() > limits::keys_max) return bad(path, "more than " + std::to_string(limits::keys_max) + " keys");
    return all;
}

expected<signing_key> create_hs256_key_file(const std::string& path, std::string kid) {
    wiped_text secret;
    secret.text.resize(limits::hmac_secret_size_min);
    if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(secret.text.data()), // NOLINT: OpenSSL's spelling of bytes
                        static_cast<int>(secret.text.size())) != 1)
        return fail(errc::internal, "no random numbers from OpenSSL");
    auto key = signing_key::hs256(std::move(kid), secret.text);
    if (!key) return bad(path, key.error().detail);
    wiped_text file;
    file.text =
        json{{"kty", "oct"}, {"alg", "HS256"}, {"kid", key->kid()}, {"k", base64url_encode(secret.text)}}.dump(2) +
        "\n";
    if (const auto done = create_secret_file(path, file.text); !done) return tl::unexpected{done.error()};
    return key;
}

} // namespace coppice

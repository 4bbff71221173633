// Tokens. Nobody without a key makes one that is taken: what is taken here is what was issued.
#include <array>

#include "runtime/auth/jwt.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

const std::string secret(32, 's');
constexpr coppice::instant now{std::chrono::seconds{1'800'000'000}};

struct fixture {
    coppice::signing_key key = *coppice::signing_key::hs256("k1", secret);
    coppice::token_verifier verifier = *coppice::token_verifier::make({key}, {});
    std::string issued =
        *coppice::issue_token(key, {.who = {.role = coppice::role::service, .tenant = "acme", .subject = "someone"},
                                    .issued_at = now,
                                    .expires_at = now + std::chrono::hours{1}});
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fixture f;
    const std::string_view text = coppice::fuzz::text_of(data, size);
    const auto taken = f.verifier.verify(text, now);
    coppice::fuzz::must(!taken || text == f.issued, "a token that is taken was issued");
    // With one byte of a good one changed, or a good one cut.
    if (size == 0) return 0;
    std::string changed = f.issued;
    const std::size_t at = (size > 1 ? data[1] : 0) * changed.size() / 256;
    changed[at] = static_cast<char>(data[0]);
    coppice::fuzz::must(!f.verifier.verify(changed, now) || changed == f.issued, "no byte can be changed");
    return 0;
}

// The envelope's decoder against good bytes and bad.
#include "cluster/peers/envelope.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>

#include "cluster/peers/hello.hpp"

using namespace coppice;

namespace {

// decode() wants its bytes aligned, as those of a vector are.
expected<peer_envelope> decode_copy(std::vector<char> bytes) { return decode(bytes); }

std::vector<char> without_length(const std::vector<char>& bytes) {
    return {bytes.begin() + peer_length_size, bytes.end()};
}

const std::vector<decltype(peer_envelope::body)>& bodies() {
    static const std::string text = "the payload";
    static const std::vector<decltype(peer_envelope::body)> all{
        peer_hello{"oak", {2}, 1, 2, 0x0123456789abcdef, 1 << 22, 1 << 23},
        peer_heartbeat{},
        peer_credit{peer_channel::bulk, 123'456'789'012},
        peer_payload{std::as_bytes(std::span{text})},
        peer_goodbye{"no version in common"},
    };
    return all;
}

peer_envelope envelope_of(const decltype(peer_envelope::body)& body) {
    return {.version = 1, .from = {7}, .channel = peer_channel::bulk, .sequence = 99, .body = body};
}

bool same(const decltype(peer_envelope::body)& a, const decltype(peer_envelope::body)& b) {
    if (a.index() != b.index()) return false;
    if (const auto* payload = std::get_if<peer_payload>(&a))
        return std::ranges::equal(*payload, std::get<peer_payload>(b));
    if (std::holds_alternative<peer_hello>(a)) return std::get<peer_hello>(a) == std::get<peer_hello>(b);
    if (std::holds_alternative<peer_credit>(a)) return std::get<peer_credit>(a) == std::get<peer_credit>(b);
    if (std::holds_alternative<peer_goodbye>(a)) return std::get<peer_goodbye>(a) == std::get<peer_goodbye>(b);
    return true;
}

} // namespace

BOOST_AUTO_TEST_SUITE(peer_envelopes)

BOOST_AUTO_TEST_CASE(every_body_survives_the_round_trip) {
    for (const auto& body : bodies()) {
        const auto bytes = without_length(encode(envelope_of(body)));
        const auto read = decode(bytes);
        BOOST_REQUIRE(read);
        BOOST_TEST(read->version == 1);
        BOOST_TEST(read->from.value == 7U);
        BOOST_TEST((read->channel == peer_channel::bulk));
        BOOST_TEST(read->sequence == 99U);
        BOOST_TEST(same(read->body, body));
    }
}

BOOST_AUTO_TEST_CASE(the_length_says_what_follows_and_stays_within_the_bound_around_a_frame) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1'000'003}}) {
        const std::string payload(size, 'x');
        const auto bytes = encode(envelope_of(peer_payload{std::as_bytes(std::span{payload})}));
        BOOST_TEST(peer_length(bytes) == bytes.size() - peer_length_size);
        BOOST_TEST(peer_length(bytes) <= size + limits::peer_envelope_size_max);
    }
    const peer_hello widest{std::string(limits::name_size_max, 'o'), {2}, 1, 2, ~0ULL, ~0ULL, ~0ULL};
    BOOST_TEST(peer_length(encode(envelope_of(widest))) <= limits::peer_hello_size_max);
}

BOOST_AUTO_TEST_CASE(a_payload_is_aligned_for_a_message_inside) {
    const std::string payload(64, 'x');
    const auto bytes = without_length(encode(envelope_of(peer_payload{std::as_bytes(std::span{payload})})));
    const auto read = decode(bytes);
    BOOST_REQUIRE(read);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(std::get<peer_payload>(read->body).data()) % 8 == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_no_message_is_an_error) {
    BOOST_TEST(!decode_copy({}));
    BOOST_TEST(!decode_copy(std::vector<char>(7)));
    BOOST_TEST(!decode_copy(std::vector<char>(8)));      // no segment's root: a message of type none
    BOOST_TEST(!decode_copy(std::vector<char>(64, -1))); // four billion segments
    auto longer = without_length(encode(envelope_of(peer_heartbeat{})));
    longer.resize(longer.size() + 8);
    BOOST_TEST(!decode_copy(longer));
    auto shorter = without_length(encode(envelope_of(bodies().front())));
    shorter.resize(shorter.size() - 8);
    BOOST_TEST(!decode_copy(shorter));
}

BOOST_AUTO_TEST_CASE(what_a_stranger_says_is_one_printable_line) {
    BOOST_TEST(printable("a\nb\x1b[31m\xff") == "a?b?[31m?");
    BOOST_TEST(printable(std::string(10'000, 'x')).size() == limits::peer_goodbye_size_max);
}

BOOST_AUTO_TEST_CASE(mutated_messages_never_do_more_than_fail) {
    const auto seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    BOOST_TEST_INFO("seed " << seed);
    std::mt19937 random(seed);
    std::vector<std::vector<char>> corpus;
    for (const auto& body : bodies()) corpus.push_back(without_length(encode(envelope_of(body))));
    std::size_t accepted = 0;
    for (int round = 0; round < 200'000; ++round) {
        auto bytes = corpus[random() % corpus.size()];
        for (auto changes = random() % 6; changes-- > 0;) {
            const auto at = random() % bytes.size();
            switch (random() % 4) {
            case 0:
                bytes[at] = static_cast<char>(random());
                break;
            case 1:
                bytes[at] ^= static_cast<char>(1U << random() % 8);
                break;
            case 2:
                bytes.resize(std::max<std::size_t>(8, at / 8 * 8));
                break;
            default:
                bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at / 8 * 8), 8,
                             static_cast<char>(random()));
            }
        }
        const auto read = decode(bytes);
        if (!read) continue;
        ++accepted;
        if (const auto* payload = std::get_if<peer_payload>(&read->body); payload != nullptr && !payload->empty()) {
            const auto* first = reinterpret_cast<const char*>(payload->data());
            BOOST_REQUIRE(first >= bytes.data() && first + payload->size() <= bytes.data() + bytes.size());
        }
    }
    BOOST_TEST(accepted > 1000U); // the corpus unchanged, for one
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(peer_hellos)

namespace {

struct hello_world {
    hello_world() {
        self.self = {1};
        self.cluster = "oak";
        self.is_member = [this](node_id node) { return node.value != removed; };
        other = self;
        other.self = {2};
        certified = {{2}, "oak", never};
    }
    expected<hello_agreement> judge(std::uint16_t version = 0, std::uint64_t sequence = 1) {
        auto hello = make_hello(other, {1}, 5);
        return check_hello(self, certified, {version, other.self, peer_channel::control, sequence, hello});
    }
    std::uint32_t removed = 0;
    peer_options self, other;
    peer_certificate certified;
};

} // namespace

BOOST_FIXTURE_TEST_CASE(two_adjacent_versions_work_together_and_distant_ones_do_not, hello_world) {
    const auto agreed = [&](std::uint16_t my_min, std::uint16_t my_max, std::uint16_t min,
                            std::uint16_t max) -> int {
        self.version_min = my_min;
        self.version_max = my_max;
        other.version_min = min;
        other.version_max = max;
        const auto r = judge();
        return r ? r->version : -1;
    };
    BOOST_TEST(agreed(1, 1, 1, 1) == 1);
    BOOST_TEST(agreed(1, 2, 1, 1) == 1);
    BOOST_TEST(agreed(1, 2, 2, 3) == 2);
    BOOST_TEST(agreed(2, 3, 1, 2) == 2);
    BOOST_TEST(agreed(1, 1, 2, 3) == -1);
    BOOST_TEST(agreed(2, 3, 1, 1) == -1);
    BOOST_TEST(agreed(1, 2, 2, 1) == -1);
}

BOOST_FIXTURE_TEST_CASE(only_a_member_of_this_cluster_under_its_own_number_is_accepted, hello_world) {
    BOOST_TEST(judge().has_value());
    removed = 2;
    BOOST_TEST((judge().error().code == errc::permission_denied));
    removed = 0;
    certified.node = {3}; // a valid certificate, of another node
    BOOST_TEST((judge().error().code == errc::permission_denied));
    certified.node = {2};
    certified.cluster = "elm";
    BOOST_TEST((judge().error().code == errc::permission_denied));
    certified.cluster = "oak";
    other.cluster = "elm";
    BOOST_TEST((judge().error().code == errc::permission_denied));
    other.cluster = "oak";
    self.self = {9}; // not whom it looks for
    BOOST_TEST((judge().error().code == errc::permission_denied));
    self.self = {1};
    BOOST_TEST((judge(1).error().code == errc::message_invalid));
    BOOST_TEST((judge(0, 2).error().code == errc::message_invalid));
    other.limits.bulk_window = 10;
    BOOST_TEST((judge().error().code == errc::message_invalid));
}

BOOST_AUTO_TEST_SUITE_END()

// Bytes that are no messages, and messages that mean harm, at the port of a real node. Whatever comes, it lives,
// answers others, keeps no connection and no memory for it, and commits nothing.
#include <capnp/schema.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <deque>
#include <random>

#include "tests/end_to_end/hostile_frames.hpp"
#include "tests/end_to_end/hostile_support.hpp"
#include "tests/end_to_end/recorder.hpp"

namespace coppice::end_to_end {
namespace {

std::string words(std::initializer_list<std::uint32_t> halves) {
    std::string text;
    for (const std::uint32_t half : halves) text.append(reinterpret_cast<const char*>(&half), sizeof half);
    return text;
}

struct hostile_bytes {
    const char* name;
    std::string bytes;
};

std::vector<hostile_bytes> hostile_frames() {
    std::string many_segments = words({511});
    for (int i = 0; i < 513; ++i) many_segments += words({0xffff'ffff});
    std::string at_itself = words({0, 1}) + words({0xffff'fffc, 0x0001'0000});
    return {
        {"as many segments as fit in 32 bits", words({0xffff'ffff, 0xffff'ffff})},
        {"512 segments of the greatest size", many_segments},
        {"one segment of the greatest size", words({0, 0xffff'ffff})},
        {"one segment of 16 MiB less a word, and none of it", words({0, (2U << 20) - 1})},
        {"an empty message", words({0, 0})},
        {"a root that is its own pointer", at_itself},
        {"the greeting of TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)},
        {"an HTTP request", "GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n"},
        {"a message cut in the middle", bootstrap_frame(0).substr(0, 20)},
        {"a header cut in the middle", words({3})},
        {"a return to nothing, a finish of nothing",
         words({0, 4}) + words({0, 0x0001'0001, 3, 0, 0, 0x0001'0000, 0, 0}) + words({0, 3}) +
             words({0, 0x0001'0001, 4, 0, 0, 0x0000'0001})},
    };
}

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

// One of the ways in which a good conversation goes bad.
std::string mutated(std::string bytes, const std::vector<std::string>& good, std::mt19937_64& random) {
    const auto somewhere = [&] { return random() % bytes.size(); };
    switch (random() % 6) {
    case 0:
        for (std::uint64_t i = random() % 8 + 1; i-- > 0;)
            bytes[somewhere()] ^= static_cast<char>(1 << random() % 8);
        break;
    case 1:
        bytes.resize(somewhere() + 1);
        break;
    case 2: { // a word that means much
        const std::uint64_t values[] = {0, ~std::uint64_t{0}, 0x0001'0000'ffff'fffc, 0xffff'ffff'0000'0001,
                                        2, random()};
        const std::size_t at = somewhere() / 8 * 8;
        if (at + 8 <= bytes.size()) std::memcpy(bytes.data() + at, &values[random() % 6], 8);
        break;
    }
    case 3: { // a piece of another
        const std::string& other = good[random() % good.size()];
        const std::size_t from = random() % other.size() / 8 * 8;
        bytes.insert(somewhere() / 8 * 8, other.substr(from, (random() % 16 + 1) * 8));
        break;
    }
    case 4:
        bytes.erase(somewhere() / 8 * 8, (random() % 8 + 1) * 8);
        break;
    default:
        bytes += bytes;
    }
    return bytes;
}

// Some thirty connections at a time.
class crowd {
  public:
    explicit crowd(const node& n) : node_(n) {}
    ~crowd() {
        while (!open_.empty()) leave();
    }
    void say(const std::string& bytes) {
        open_.push_back(std::make_unique<raw_connection>(node_.address()));
        open_.back()->send(bytes);
        open_.back()->end_input();
        if (open_.size() > 32) leave();
    }

  private:
    void leave() {
        BOOST_TEST(open_.front()->is_hung_up());
        open_.pop_front();
    }
    const node& node_;
    std::deque<std::unique_ptr<raw_connection>> open_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(hostile_frames_at_a_node)

BOOST_AUTO_TEST_CASE(what_is_no_message_ends_its_own_connection_and_nothing_else) {
    const node n;
    const quiet_node quiet(n);
    for (const hostile_bytes& hostile : hostile_frames()) {
        BOOST_TEST_CONTEXT(hostile.name) {
            const raw_connection c(n.address());
            c.send(hostile.bytes);
            c.end_input();
            BOOST_TEST(c.is_hung_up());
        }
    }
    quiet.check_untouched();
}

BOOST_AUTO_TEST_CASE(who_does_not_log_in_is_hung_up_on_in_time_whatever_they_said) {
    const node n;
    const quiet_node quiet(n);
    std::deque<raw_connection> silent;
    silent.emplace_back(n.address());
    for (const std::string& start : {std::string(1, '\0'), words({0, 8000}), bootstrap_frame(0),
                                     bootstrap_frame(0).substr(0, 20), login_frames("no token")}) {
        silent.emplace_back(n.address());
        silent.back().send(start);
    }
    const auto began = std::chrono::steady_clock::now();
    raw_connection known(n.address());
    known.send(login_frames(operator_token(n)));
    for (const raw_connection& c : silent) BOOST_TEST(c.is_hung_up());
    BOOST_TEST((std::chrono::steady_clock::now() - began >= std::chrono::seconds{5}));
    BOOST_TEST(answer_to(known.fd(), 1) == "results");
    BOOST_TEST(!known.is_hung_up(std::chrono::milliseconds{100}));
    known.end_input();
    quiet.check_untouched();
}

BOOST_AUTO_TEST_CASE(a_stranger_is_given_no_memory) {
    const node n;
    const quiet_node quiet(n);
    std::string calls;
    while (calls.size() < 4 * 1024 * 1024) calls += bootstrap_frame(static_cast<std::uint32_t>(calls.size()));
    for (int i = 0; i < 20; ++i) {
        const raw_connection many(n.address()), large(n.address());
        large.send(words({0, 1U << 20}) + std::string(100'000, '\0'));
        BOOST_TEST(large.is_hung_up());
        many.send(calls);
        BOOST_TEST(many.is_hung_up());
    }
    quiet.check_untouched(16 * 1024);
}

BOOST_AUTO_TEST_CASE(tokens_are_not_guessed_on_one_connection) {
    const node n;
    std::string frames = bootstrap_frame(0);
    for (std::uint32_t q = 1; q <= 17; ++q) // the last with a good token, too late
        frames += call_frame(q, 0, {}, capnp::typeId<api::Gate>(), 0, [&](auto content) {
            const std::string token = q == 17 ? operator_token(n) : "guess " + std::to_string(q);
            content.template initAs<api::Gate::LoginParams>().setToken(token.c_str());
        });
    frames += call_frame(18, 17, {0, 3}, capnp::typeId<api::JobService>(), 2,
                         [](auto content) { content.template initAs<api::JobService::ListParams>(); });
    const raw_connection c(n.address());
    c.send(frames);
    BOOST_TEST(answer_to(c.fd(), 18).starts_with("exception"));
}

BOOST_AUTO_TEST_CASE(pointers_that_mean_harm_are_answered_and_change_nothing) {
    const node n;
    const quiet_node quiet(n);
    const std::string token = operator_token(n);
    struct target {
        std::vector<std::uint16_t> path;
        std::uint64_t interface_id;
        std::uint16_t methods;
    };
    const target targets[] = {{{0, 3}, capnp::typeId<api::JobService>(), 8},
                              {{0, 4}, capnp::typeId<api::WorkerService>(), 1},
                              {{0, 5}, capnp::typeId<api::PlatformService>(), 5}};
    for (const crafted_pointer& crafted : crafted_pointers())
        for (const target& t : targets)
            for (std::uint16_t method = 0; method <= t.methods; ++method) {
                BOOST_TEST_CONTEXT(crafted.name << ", method " << method << " of " << t.path[1]) {
                    const raw_connection c(n.address());
                    c.send(login_frames(token) + crafted_call(2, 1, t.path, t.interface_id, method, crafted));
                    BOOST_TEST(answer_to(c.fd(), 2) != "closed");
                }
            }
    for (const crafted_pointer& crafted : crafted_pointers()) {
        const raw_connection c(n.address());
        c.send(bootstrap_frame(0) + crafted_call(1, 0, {}, capnp::typeId<api::Gate>(), 0, crafted));
        BOOST_TEST_CONTEXT(crafted.name) BOOST_TEST(answer_to(c.fd(), 1) != "closed");
    }
    quiet.check_untouched();
}

// A list of a million elements takes a dozen bytes on the wire, and much memory once it is copied.
BOOST_AUTO_TEST_CASE(a_report_of_a_million_nothings_costs_nothing) {
    const node n;
    const quiet_node quiet(n);
    const std::string attach = call_frame(2, 1, {0, 4}, capnp::typeId<api::WorkerService>(), 0, [](auto content) {
        auto params = content.template initAs<api::WorkerService::AttachParams>();
        params.setName("hostile");
        params.initTypes(1).set(0, "none-such");
        params.setSlots(1);
    });
    forget_peak_of(n);
    const std::size_t before = peak_kb_of(n);
    for (const crafted_pointer& crafted : crafted_pointers())
        for (const std::uint16_t method : {0, 1}) {
            const raw_connection c(n.address());
            c.send(login_frames(token_for(n, "worker")) + attach +
                   crafted_call(3, 2, {0}, capnp::typeId<api::WorkerSession>(), method, crafted));
            const std::string answer = answer_to(c.fd(), 3);
            BOOST_TEST_CONTEXT(crafted.name << ": " << answer) BOOST_TEST(answer != "closed");
        }
    BOOST_TEST((sanitized || peak_kb_of(n) <= before + 64 * 1024));
    quiet.check_unharmed();
}

// The RPC system queues answers without a bound: who does not read them is not asked for more calls.
BOOST_AUTO_TEST_CASE(who_does_not_read_answers_fills_no_memory) {
    const node n;
    session s(n, operator_token(n));
    const std::string payload = R"({"argv":["true"],"stdin":")" + std::string(200'000, 'x') + R"("})";
    const submit_answer job = submit_one(s, {.payload = payload, .delay_ms = 3'600'000});
    BOOST_TEST(to_string(job.code) == "ok");
    const quiet_node quiet(n);
    const raw_connection deaf(n.address());
    std::string frames = login_frames(operator_token(n));
    for (std::uint32_t q = 2; q < 2000; ++q)
        frames += call_frame(q, 1, {0, 3}, capnp::typeId<api::JobService>(), 1, [&](auto content) {
            write_id(job.id, content.template initAs<api::JobService::GetParams>().initId());
        });
    deaf.send(frames);
    for (int i = 0; i < 5; ++i) BOOST_TEST(n.run({"job", "list"}).status == 0);
    BOOST_TEST((sanitized || resident_kb_of(n) < 150 * 1024)); // of 400 MB of answers
    // Once it reads, it gets them all.
    BOOST_TEST(answer_to(deaf.fd(), 1999) == "results");
}

BOOST_AUTO_TEST_CASE(a_node_without_descriptors_listens_again_when_there_are_some,
                     *boost::unit_test::enable_if<!sanitized>()) {
    const node n;
    const quiet_node quiet(n);
    rlimit before{};
    const rlimit few{descriptors_of(n) + 8, descriptors_of(n) + 8};
    BOOST_REQUIRE(::prlimit(pid_of(n), RLIMIT_NOFILE, &few, &before) == 0);
    {
        std::deque<raw_connection> many;
        for (int i = 0; i < 60; ++i) many.emplace_back(n.address());
        BOOST_TEST(eventually([&] { return descriptors_of(n) >= few.rlim_cur; }));
    }
    quiet.check_untouched();
    ::prlimit(pid_of(n), RLIMIT_NOFILE, &before, nullptr);
}

BOOST_AUTO_TEST_CASE(conversations_gone_bad_leave_the_node_as_it_was) {
    const node n;
    const char* given = std::getenv("COPPICE_SEED");
    const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
    BOOST_TEST_MESSAGE("COPPICE_SEED=" << seed);
    std::mt19937_64 random(seed);
    const std::vector<std::string> good{recorded(n, {"job", "list"}),
                                        recorded(n, {"job", "get", "01900000-0000-7000-8000-000000000000"}),
                                        recorded(n, {"job", "logs", "01900000-0000-7000-8000-000000000000"}),
                                        recorded(n, {"get", "tenant"}), recorded(n, {"tree"})};
    for (const std::string& each : good) BOOST_REQUIRE(each.size() > 200);
    const quiet_node quiet(n);
    {
        crowd c(n);
        for (int i = 0; i < 3000; ++i) c.say(mutated(good[random() % good.size()], good, random));
        for (int i = 0; i < 300; ++i) c.say(random_bytes(random, random() % 4096 + 1));
    }
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) quiet.check_untouched();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end

// The machine on virtual time: two or three of them, wired through memory.
#include "cluster/peers/peer_machine.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>

using namespace coppice;
using namespace std::chrono_literals;

namespace {

// Nodes and the wires between them. Bytes arrive in order on each wire; time moves only in run().
struct world {
    struct node;
    struct wire { // one connection: an end at each node
        node* ends[2];
        connection_id ids[2];
        std::deque<std::vector<char>> way[2]; // to end 0, to end 1
    };
    struct node : peer_host {
        node(world& w, std::uint32_t number) : in(w) {
            options.self = {number};
            options.cluster = "oak";
            options.seed = 17 + number;
            options.on_frame = [this](peer_frame f) { kept.push_back(std::move(f)); };
            options.on_up = [this](node_id) { ++ups; };
            options.on_down = [this](node_id, std::string_view why) { downs.emplace_back(why); };
            options.is_member = [this](node_id n) { return n != removed; };
            options.on_log = [this](node_id, std::string_view text) { logs.emplace_back(text); };
        }
        void start() { machine.emplace(options, *this, gates, in.now); }
        void dial(connection_id id, const peer_address& whom) override {
            ++dials;
            in.dialed.push_back({this, id, whom.node});
        }
        void write(connection_id id, std::vector<char> bytes) override { in.carry(*this, id, bytes); }
        void close(connection_id id) override { in.cut(*this, id); }
        std::function<void(const link_gate_ptr&, peer_channel)> credit_poster() override {
            return [](const link_gate_ptr&, peer_channel) {}; // the ticks give credit too
        }
        peer_statistics of(std::uint32_t number) {
            for (auto& s : machine->statistics(in.now))
                if (s.node.value == number) return s;
            return {};
        }
        bool send(std::uint32_t to, std::string_view text) {
            const auto gate = gates.find({to});
            if (!gate || !gate->take(peer_channel::control, peer_cost(text.size()))) return false;
            machine->send(in.now, gate, peer_channel::control, std::as_bytes(std::span{text}));
            return true;
        }
        world& in;
        peer_options options;
        link_gates gates;
        std::optional<peer_machine> machine;
        std::vector<peer_frame> kept;
        std::vector<std::string> downs, logs;
        int ups = 0, dials = 0;
        node_id removed;
        instant certificate_ends = from_us(1LL << 60);
        bool frozen = false, deaf = false; // deaf: refuses connections
    };
    struct dialed_to {
        node* from;
        connection_id id;
        node_id to;
    };

    node& add(std::uint32_t number) { return *nodes.emplace_back(std::make_unique<node>(*this, number)); }
    void introduce() {
        std::vector<peer_address> all;
        for (auto& each : nodes) all.push_back({each->options.self, "mem", 1});
        for (auto& each : nodes) {
            each->start();
            each->machine->set_peers(now, all);
        }
    }
    void run(peer_time::duration time) {
        for (const auto end = now + time; now < end;) {
            now += limits::peer_tick;
            for (int i = 0; i < 20; ++i) deliver();
            for (auto& each : nodes)
                if (!each->frozen) each->machine->tick(now, wall());
        }
        for (int i = 0; i < 20; ++i) deliver();
    }
    instant wall() const { return instant{std::chrono::duration_cast<microseconds>(now.time_since_epoch())}; }

    void deliver() {
        for (const dialed_to& d : std::exchange(dialed, {})) connect(d);
        for (std::size_t i = 0; i < wires.size(); ++i)
            for (int end : {0, 1}) {
                wire& w = *wires[i];
                if (w.ends[end] == nullptr || w.ends[end]->frozen || w.way[end].empty()) continue;
                auto bytes = std::move(w.way[end].front());
                w.way[end].pop_front();
                bytes.erase(bytes.begin(), bytes.begin() + peer_length_size);
                w.ends[end]->machine->received(now, w.ids[end], std::move(bytes));
            }
    }
    void connect(const dialed_to& d) {
        for (auto& each : nodes) {
            if (each->options.self != d.to || each->deaf || !each->machine->may_accept()) continue;
            if (each->frozen) return; // the kernel accepts; nobody answers
            const auto id = each->machine->accepted(now);
            wires.push_back(std::make_unique<wire>(wire{{d.from, each.get()}, {d.id, id}, {}}));
            each->machine->secured(now, id, {d.from->options.self, "oak", d.from->certificate_ends});
            d.from->machine->secured(now, d.id, {d.to, "oak", each->certificate_ends});
            return;
        }
        d.from->machine->closed(now, d.id, "refused");
    }
    void carry(node& from, connection_id id, const std::vector<char>& bytes) {
        for (auto& w : wires)
            for (int end : {0, 1})
                if (w->ends[end] == &from && w->ids[end] == id && w->ends[1 - end] != nullptr)
                    w->way[1 - end].push_back(bytes);
    }
    void cut(node& from, connection_id id) {
        for (auto& w : wires)
            for (int end : {0, 1}) {
                if (w->ends[end] != &from || w->ids[end] != id) continue;
                node* other = std::exchange(w->ends[1 - end], nullptr);
                w->ends[end] = nullptr;
                if (other != nullptr && !other->frozen) other->machine->closed(now, w->ids[1 - end], "closed");
                return;
            }
    }

    peer_time now{1h};
    std::vector<std::unique_ptr<node>> nodes;
    std::vector<std::unique_ptr<wire>> wires;
    std::vector<dialed_to> dialed;
};

struct two_of_them : world {
    two_of_them() : one(add(1)), two(add(2)) {}
    void up() {
        introduce();
        run(300ms);
        BOOST_REQUIRE(one.of(2).up);
        BOOST_REQUIRE(two.of(1).up);
    }
    node &one, &two;
};

} // namespace

BOOST_AUTO_TEST_SUITE(peer_machines)

BOOST_FIXTURE_TEST_CASE(one_link_comes_up_and_the_lower_number_dials, two_of_them) {
    up();
    BOOST_TEST(one.dials == 2); // control and bulk
    BOOST_TEST(two.dials == 0);
    run(60s);
    BOOST_TEST(one.ups == 1);
    BOOST_TEST(two.ups == 1);
    BOOST_TEST(one.downs.empty());
    BOOST_TEST(two.of(1).last_heard_age.count() <= 400);
}

BOOST_FIXTURE_TEST_CASE(a_frozen_peer_is_found_in_less_than_two_seconds, two_of_them) {
    up();
    two.frozen = true;
    const auto begin = now;
    while (one.downs.empty()) run(limits::peer_tick);
    BOOST_TEST((now - begin < 2s));
    BOOST_TEST(one.downs.front().starts_with("silent for"));
    two.frozen = false;
    run(15s);
    BOOST_TEST(one.of(2).up);
    BOOST_TEST(two.of(1).up);
}

BOOST_FIXTURE_TEST_CASE(time_in_which_this_process_was_stopped_counts_for_no_one, two_of_them) {
    up();
    now += 10s; // nobody ran: the whole machine paused
    run(1s);
    BOOST_TEST(one.downs.empty());
    BOOST_TEST(two.downs.empty());
}

BOOST_FIXTURE_TEST_CASE(a_removed_member_is_cut_within_a_second_and_not_let_in_again, two_of_them) {
    up();
    two.removed = {1};
    run(1s);
    BOOST_TEST(!two.of(1).up);
    BOOST_TEST(two.of(1).state == "no member of the cluster");
    const int tried = one.dials;
    run(120s);
    BOOST_TEST(one.dials > tried);
    BOOST_TEST(two.ups == 1);
    BOOST_TEST(one.ups == 1);
}

BOOST_FIXTURE_TEST_CASE(a_certificate_that_ends_ends_the_link, two_of_them) {
    one.certificate_ends = wall() + 3s;
    up();
    run(2s);
    BOOST_TEST(two.of(1).up);
    run(2s);
    BOOST_TEST(!two.downs.empty());
    BOOST_TEST(two.downs.front() == "its certificate expired");
}

BOOST_FIXTURE_TEST_CASE(tries_to_connect_grow_rare_and_never_stop, two_of_them) {
    two.deaf = true;
    introduce();
    run(10s);
    BOOST_TEST(one.dials >= 5);
    BOOST_TEST(one.dials <= 12);
    const int before = one.dials;
    run(1000s);
    BOOST_TEST(one.dials - before >= 190); // each 2.5 to 5 s
    BOOST_TEST(one.dials - before <= 410);
    BOOST_TEST(one.logs.size() <= 12U); // said at the 1st, 2nd, 4th .. failure
    two.deaf = false;
    run(limits::peer_backoff_max + 1s);
    BOOST_TEST(one.of(2).up);
}

BOOST_FIXTURE_TEST_CASE(after_many_flaps_in_a_row_a_peer_is_left_alone_and_it_is_said, two_of_them) {
    introduce();
    const auto count = [&] { return static_cast<std::uint32_t>(one.downs.size()); };
    while (count() < limits::peer_flaps_max) {
        run(limits::peer_tick);
        if (two.of(1).up)
            two.machine->set_peers(now, {}); // cuts it ..
        else
            two.machine->set_peers(now, {{{1}, "mem", 1}}); // .. and lets it in again
    }
    two.machine->set_peers(now, {{{1}, "mem", 1}});
    BOOST_TEST(one.of(2).flaps == limits::peer_flaps_max);
    BOOST_TEST(one.of(2).state.starts_with("left alone for "));
    BOOST_TEST(one.logs.back() == "left alone for 30.0 s after 20 flaps in a row");
    const int dials = one.dials;
    run(29s);
    BOOST_TEST(one.dials == dials);
    run(12s);
    BOOST_TEST(one.of(2).up);
}

BOOST_FIXTURE_TEST_CASE(a_dialer_that_lost_its_link_alone_replaces_it_without_a_duplicate, two_of_them) {
    up();
    // Node 1 restarts; node 2 has not noticed: its ends stay open.
    for (auto& w : wires) w->ends[0] = nullptr;
    one.start();
    one.machine->set_peers(now, {{{2}, "mem", 1}});
    run(1s);
    BOOST_TEST(one.of(2).up);
    BOOST_TEST(two.of(1).up);
    BOOST_TEST(two.ups == 2);
    BOOST_REQUIRE(two.downs.size() == 1U);
    BOOST_TEST(two.downs.front() == "it connected anew");
}

BOOST_FIXTURE_TEST_CASE(two_adjacent_versions_link_and_two_distant_ones_say_why_not, two_of_them) {
    two.options.version_max = 2;
    up();
    BOOST_TEST(one.of(2).version == 1);
    two.options.version_min = 2;
    for (auto* each : {&one, &two}) each->machine->stop(now);
    introduce();
    run(1s);
    BOOST_TEST(!one.of(2).up);
    BOOST_TEST(one.of(2).state.find("it said: speaks versions 1 to 1, this node 2 to 2") != std::string::npos,
               one.of(2).state);
}

BOOST_FIXTURE_TEST_CASE(credit_comes_with_the_ticks_when_little_was_consumed, two_of_them) {
    up();
    BOOST_TEST(one.send(2, "a"));
    run(200ms);
    BOOST_TEST(two.kept.size() == 1U);
    BOOST_TEST(one.gates.find({2})->in_use(peer_channel::control) == peer_cost(1));
    two.kept.clear();
    run(300ms);
    BOOST_TEST(one.gates.find({2})->in_use(peer_channel::control) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

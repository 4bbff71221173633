#include "cluster/membership/admission.hpp"

#include <algorithm>
#include <set>

#include "cluster/membership/host.hpp"
#include "cluster/membership/record_text.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace {

std::string token_key(std::string_view id) { return std::string{join_tokens_prefix} + std::string{id}; }

// ---- inviting

// The desks of the members that are not removed.
std::vector<std::string> desks_of(const control_listing& desks, const control_listing& members) {
    std::set<std::string> open;
    for (const control_entry& entry : members.entries) {
        const auto m = decode_member(entry.key, entry.value);
        if (m && m->state != member_state::removed) open.insert(join_desk_key(m->number));
    }
    std::vector<std::string> found;
    for (const control_entry& entry : desks.entries)
        if (open.contains(entry.key)) found.push_back(entry.value);
    return found;
}

struct invite_run {
    control_store& store;
    invitation_order order;
    std::function<void(expected<invitation>)> done;
    control_listing desks, members;
};
using invite_ptr = std::shared_ptr<invite_run>;

void write_invitation(const invite_ptr& run, const control_listing& records) {
    auto token =
        make_join_token(run->order.cluster, run->order.authority_fingerprint, run->order.now, run->order.lifetime);
    if (!token) return run->done(tl::unexpected(token.error()));
    invitation made{to_string(*token), token->expires, desks_of(run->desks, run->members)};
    if (made.desks.empty())
        return run->done(fail(errc::unavailable, "no node of this cluster lets others in: set cluster.join_listen "
                                                 "on the one where the cluster was made, and start it again"));
    control_txn txn;
    std::size_t good = 0;
    for (const control_entry& entry : records.entries) {
        const auto record = decode_join_record(entry.value);
        const bool is_good = record && record->spent_by.value == 0 && run->order.now < record->expires;
        good += is_good ? 1 : 0;
        if (!is_good && txn.erases.size() < limits::join_tokens_max / 2) txn.erases.push_back(entry.key);
    }
    if (good >= limits::join_tokens_max)
        return run->done(fail(errc::overloaded, "there are " + std::to_string(good) +
                                                    " join tokens that nobody has used; wait until some are over"));
    const std::string key = token_key(token->id);
    txn.compares.push_back({key, 0});
    txn.puts.push_back({key, encode(record_of(*token)), 0});
    run->store.commit(std::move(txn), [run, made = std::move(made)](auto committed) mutable {
        if (!committed) return run->done(tl::unexpected(committed.error().why));
        run->done(std::move(made));
    });
}

} // namespace

std::string join_desk_key(node_id number) { return std::string{join_desks_prefix} + std::to_string(number.value); }

void invite(control_store& store, const invitation_order& order, std::function<void(expected<invitation>)> done) {
    auto run = std::make_shared<invite_run>(invite_run{store, order, std::move(done), {}, {}});
    store.list(std::string{join_desks_prefix}, [run](expected<control_listing> desks) {
        if (!desks) return run->done(tl::unexpected(desks.error()));
        run->desks = std::move(*desks);
        run->store.list(std::string{member_key_prefix}, [run](expected<control_listing> members) {
            if (!members) return run->done(tl::unexpected(members.error()));
            run->members = std::move(*members);
            run->store.list(std::string{join_tokens_prefix}, [run](const expected<control_listing>& records) {
                if (!records) return run->done(tl::unexpected(records.error()));
                write_invitation(run, *records);
            });
        });
    });
}

// ---- admitting

namespace {

constexpr std::size_t token_id_size = 32;

// Of bytes that came over a socket; what passes may be encoded.
expected<void> is_sound(const member& wanted) {
    const auto bad = [](const char* what) { return fail(errc::invalid_argument, what); };
    for (const listener* each : {&wanted.peer, &wanted.rpc})
        if (!is_host(each->host) || each->port == 0)
            return bad("a new node's addresses must be DNS names in lower case or IP addresses, with ports");
    if (!wanted.zone.empty() && !is_name(wanted.zone)) return bad("a zone must be a name");
    if (wanted.protocol_min == 0 || wanted.protocol_min > wanted.protocol_max)
        return bad("a new node's versions of the protocol are none");
    if (wanted.features.size() > limits::member_features_max || !std::ranges::is_sorted(wanted.features) ||
        !std::ranges::all_of(wanted.features, is_name))
        return bad("a new node's features must be names, sorted");
    return {};
}

struct admit_run : std::enable_shared_from_this<admit_run> {
    std::shared_ptr<const admission::options> with;
    join_request request;
    std::function<void(expected<admitted>)> done;
    int attempts = 0;
    control_entry token; // as it was read in this attempt
    join_record record;

    void refuse(failure why) { done(tl::unexpected(std::move(why))); }
    void read_token();
    void read_counter();
    void decide(const std::optional<control_entry>& counter);
    void write(admitted let_in, join_record spent, std::uint64_t counter_revision);
};

void admit_run::read_token() {
    if (++attempts > limits::join_attempts_max)
        return refuse({errc::conflict, "others were let in at the same moment; ask again", 1000});
    with->store->get(
        token_key(request.token_id), [self = shared_from_this()](expected<std::optional<control_entry>> read) {
            if (!read) return self->refuse(read.error());
            // As if its secret were another: nothing is said of which tokens there are.
            self->record = {};
            if (*read) {
                auto record = decode_join_record((*read)->value);
                if (!record) return self->refuse(record.error());
                self->record = std::move(*record);
                self->token = std::move(**read);
            }
            if (const auto good = check(self->record, self->with->by.identity().cluster, self->request.token_id,
                                        self->request.secret, self->with->clock());
                !good)
                return self->refuse(good.error());
            self->read_counter();
        });
}

void admit_run::read_counter() {
    with->store->get(std::string{member_counter_key},
                     [self = shared_from_this()](const expected<std::optional<control_entry>>& read) {
                         if (!read) return self->refuse(read.error());
                         self->decide(*read);
                     });
}

void admit_run::decide(const std::optional<control_entry>& counter) {
    const std::vector<member> members = with->members();
    const auto counted = take_number(counter ? std::string_view{counter->value} : std::string_view{});
    if (!counted) return refuse(counted.error());
    node_id least = counted->number;
    for (const member& m : members) least = std::max(least, node_id{m.number.value + 1});
    const auto number = with->number_from(least);
    if (!number) return refuse(number.error());
    admitted let_in{request.wanted, {}};
    member& m = let_in.what;
    m.number = *number;
    m.name = "node-" + std::to_string(m.number.value);
    m.state = member_state::joining;
    m.first_seen = with->clock();
    const auto hosts = certificate_hosts(with->by.identity().cluster, {m.peer.host, m.rpc.host});
    auto certificate = issue_certificate(with->by, request.signing_request, {m.number, hosts, with->clock()});
    if (!certificate) return refuse(certificate.error());
    const auto identity = certificate_identity(*certificate);
    if (!identity) return refuse(identity.error());
    m.fingerprint = identity->fingerprint;
    let_in.certificate_pem = std::move(*certificate);
    if (const auto fits = may_join(members, m); !fits) return refuse(fits.error());
    auto spent = spend(record, m.number);
    if (!spent) return refuse(spent.error());
    write(std::move(let_in), std::move(*spent), counter ? counter->revision : 0);
}

void admit_run::write(admitted let_in, join_record spent, std::uint64_t counter_revision) {
    const std::string member_at = member_key(let_in.what.number);
    control_txn txn;
    txn.compares = {
        {token.key, token.revision}, {std::string{member_counter_key}, counter_revision}, {member_at, 0}};
    txn.puts = {{token.key, encode(spent), 0},
                {std::string{member_counter_key}, std::to_string(let_in.what.number.value), 0},
                {member_at, encode(let_in.what), 0}};
    auto settled = [self = shared_from_this(), let_in = std::move(let_in)](auto committed) mutable {
        if (!committed && committed.error().why.code == errc::conflict) return self->read_token();
        if (!committed) return self->refuse(committed.error().why);
        self->done(std::move(let_in));
    };
    with->store->commit(std::move(txn), std::move(settled));
}

} // namespace

void admission::admit(join_request request, std::function<void(expected<admitted>)> done) const {
    if (request.token_id.size() != token_id_size || !is_lower_hex(request.token_id, token_id_size))
        return done(fail(errc::unauthenticated, "the join token is not one that this cluster made"));
    if (const auto sound = is_sound(request.wanted); !sound) return done(tl::unexpected(sound.error()));
    auto run = std::make_shared<admit_run>();
    run->with = options_;
    run->request = std::move(request);
    run->done = std::move(done);
    run->read_token();
}

} // namespace coppice

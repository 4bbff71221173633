#include "runtime/joining/join_desk.hpp"

#include <capnp/message.h>
#include <capnp/serialize-async.h>

#include "runtime/edge/accept_loop.hpp"
#include "runtime/edge/loop_answer.hpp"

namespace coppice {
namespace {

constexpr capnp::ReaderOptions hostile_question{.traversalLimitInWords = limits::join_message_size_max / 8,
                                                .nestingLimit = 8};

kj::Duration to_kj(milliseconds d) { return d.count() * kj::MILLISECONDS; }

// And waits until the other side hangs up: what TLS has taken may be on its way out still, and would go with the
// stream.
kj::Promise<void> answer(kj::AsyncIoStream& stream, const expected<join_grant>& how) {
    auto message = kj::heap<capnp::MallocMessageBuilder>();
    write(how, message->initRoot<joining::Answer>());
    auto written = capnp::writeMessage(stream, *message);
    return written.attach(kj::mv(message)).then([&stream] {
        auto byte = kj::heap<kj::byte>();
        auto over = stream.tryRead(byte.get(), 1, 1);
        return over.attach(kj::mv(byte)).ignoreResult();
    });
}

} // namespace

kj::Promise<void> join_desk::serve(kj::Own<kj::ConnectionReceiver> listener) {
    const auto failed = [this](kj::Exception&& e) { taskFailed(kj::mv(e)); };
    return accept_loop(kj::mv(listener), timer_,
                       {.take = [this](kj::Own<kj::AsyncIoStream> stream) { accepted(kj::mv(stream)); },
                        .not_taken = failed,
                        .not_accepted = failed});
}

void join_desk::accepted(kj::Own<kj::AsyncIoStream> stream) {
    if (open_ >= limits::join_conversations_max) {
        options_.log.warn("a node that asks to be let in was hung up on: too many at a time");
        return; // dropping the stream closes it
    }
    ++open_;
    auto talking =
        tls_.wrap(kj::mv(stream)).then([this](kj::Own<kj::AsyncIoStream> met) { return talk(kj::mv(met)); });
    tasks_.add(
        timer_.timeoutAfter(to_kj(limits::join_timeout), kj::mv(talking)).attach(kj::defer([this] { --open_; })));
}

kj::Promise<void> join_desk::talk(kj::Own<kj::AsyncIoStream> stream) {
    kj::AsyncIoStream& there = *stream;
    auto talking = capnp::readMessage(there, hostile_question).then([this](kj::Own<capnp::MessageReader> message) {
        auto [promise, answered] = make_loop_answer<expected<join_grant>>(options_.inbox);
        options_.admit(
            read(message->getRoot<joining::Question>()),
            [answered = std::move(answered)](expected<join_grant> how) { answered->give(std::move(how)); });
        return kj::mv(promise);
    });
    return talking
        .then([this, &there](const expected<join_grant>& how) {
            if (how)
                options_.log.info("a node was let in", {{"node", std::uint64_t{how->number.value}}});
            else
                options_.log.warn("a node was not let in", {{"why", to_string(how.error())}});
            return answer(there, how);
        })
        .attach(kj::mv(stream));
}

void join_desk::taskFailed(kj::Exception&& exception) {
    options_.log.warn("a conversation at the join port failed",
                      {{"why", std::string{exception.getDescription().cStr()}}});
}

} // namespace coppice

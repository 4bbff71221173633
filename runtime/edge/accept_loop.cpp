#include "runtime/edge/accept_loop.hpp"

#include "schema/limits.hpp"

namespace coppice {
namespace {

struct acceptor {
    kj::Own<kj::ConnectionReceiver> listener;
    kj::Timer& timer;
    accept_hooks hooks;

    // A failure to accept passes, and must not be the last word: descriptors that ran out come back.
    kj::Promise<void> next() {
        // KJ's accept throws, rather than give a promise that fails.
        return kj::evalNow([&] { return listener->accept(); })
            .then(
                [this](kj::Own<kj::AsyncIoStream> stream) {
                    KJ_IF_MAYBE (e, kj::runCatchingExceptions([&] { hooks.take(kj::mv(stream)); }))
                        hooks.not_taken(kj::mv(*e));
                    return next();
                },
                [this](kj::Exception&& e) {
                    hooks.not_accepted(kj::mv(e));
                    return timer.afterDelay(limits::rpc_accept_pause.count() * kj::MILLISECONDS).then([this] {
                        return next();
                    });
                });
    }
};

} // namespace

kj::Promise<void> accept_loop(kj::Own<kj::ConnectionReceiver> listener, kj::Timer& timer, accept_hooks hooks) {
    auto accepting = kj::heap<acceptor>(acceptor{kj::mv(listener), timer, kj::mv(hooks)});
    auto loop = accepting->next();
    return loop.attach(kj::mv(accepting));
}

} // namespace coppice

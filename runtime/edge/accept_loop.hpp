// Takes connections for as long as it lives, whatever happens to one of them.
#pragma once

#include <functional>
#include <kj/async-io.h>
#include <kj/timer.h>

namespace coppice {

// On the loop's thread.
struct accept_hooks {
    std::function<void(kj::Own<kj::AsyncIoStream>)> take;
    std::function<void(kj::Exception&&)> not_taken;    // `take` threw it
    std::function<void(kj::Exception&&)> not_accepted; // tried again after limits::rpc_accept_pause
};

// `timer` outlives the promise, which is never fulfilled.
kj::Promise<void> accept_loop(kj::Own<kj::ConnectionReceiver> listener, kj::Timer& timer, accept_hooks hooks);

} // namespace coppice

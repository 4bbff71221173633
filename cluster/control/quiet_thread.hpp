// A thread that takes no signals: they are for whoever waits for them.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace coppice {

template <class Body>
std::thread quiet_thread(Body&& body) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread made{std::forward<Body>(body)};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return made;
}

} // namespace coppice

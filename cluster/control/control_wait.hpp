// A call of the control store, waited for. From no callback of a store: nobody would be left to answer.
#pragma once

#include <future>
#include <memory>

namespace coppice {

// `start` is given what to call with the Result.
template <class Result, class Start>
Result wait_for_answer(Start&& start) {
    // Shared: set_value may still be at it when the result is here.
    const auto promise = std::make_shared<std::promise<Result>>();
    start([promise](Result result) { promise->set_value(std::move(result)); });
    return promise->get_future().get();
}

} // namespace coppice

// The thread that looks through the store: again and again, whatever came of it, until its owner goes.
#include "persistence/background_walk.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <future>
#include <stdexcept>

namespace coppice {

BOOST_AUTO_TEST_SUITE(background_walk_suite)

BOOST_AUTO_TEST_CASE(a_walk_that_cannot_read_is_told_and_tried_again) {
    std::promise<std::string> told;
    std::promise<void> again;
    int walks = 0;
    const background_walk walk(
        milliseconds{1}, milliseconds{1},
        [&](const std::atomic<bool>&) {
            if (++walks == 1) throw std::runtime_error("the disk failed");
            if (walks == 2) again.set_value();
        },
        [&](std::string_view why) { told.set_value(std::string{why}); });
    BOOST_TEST(told.get_future().get() == "the disk failed");
    again.get_future().get();
}

BOOST_AUTO_TEST_CASE(a_walk_under_way_ends_with_its_owner) {
    std::promise<void> begun;
    bool ended = false;
    {
        const background_walk walk(
            milliseconds{1}, milliseconds{1},
            [&](const std::atomic<bool>& stop) {
                begun.set_value();
                while (!stop) std::this_thread::yield();
                ended = true;
            },
            [](std::string_view) {});
        begun.get_future().get();
    }
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(without_a_time_there_is_no_walk_and_the_first_may_come_sooner) {
    std::promise<void> begun;
    const background_walk none(
        milliseconds{0}, milliseconds{0}, [](const std::atomic<bool>&) { BOOST_FAIL("walked"); },
        [](std::string_view) {});
    const background_walk rare(
        std::chrono::hours{1}, milliseconds{1}, [&](const std::atomic<bool>&) { begun.set_value(); },
        [](std::string_view) {});
    begun.get_future().get();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice

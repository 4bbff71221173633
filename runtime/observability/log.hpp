// The node's log: one line a fact, a sentence and typed fields, on spdlog.
//
// A logger is handed down, never global: a cheap handle on one shared log, with the component that speaks through
// it. It is synchronous: a line is with the kernel when the call returns, in one write, so a crash loses none and
// no queue can fill; a reader that stops reading the log stops its writers, rather than lines going missing. A line
// that the kernel refuses is counted. Secrets are scrubbed and every line is one line: see log_text.hpp. Any
// thread.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/observability/log_text.hpp"
#include "schema/time.hpp"

namespace spdlog::sinks {
class sink;
}

namespace coppice {

enum class log_style : std::uint8_t { json, text };

// "trace", "debug", "info", "warn", "error", "off": as the configuration writes it.
std::optional<log_level> log_level_from_name(std::string_view name);

struct log_options {
    log_level level = log_level::info; // less than this is not written
    log_style style = log_style::json;
    std::function<instant()> clock = wall_clock_now; // called by every thread that logs
};

// JSON lines, or text where `descriptor` is a terminal.
log_style style_for(int descriptor);

// A sink that writes each line with one write(2), and waits when the descriptor is full. The descriptor is borrowed
// and must outlive every logger on it.
std::shared_ptr<spdlog::sinks::sink> make_descriptor_sink(int descriptor);

class logger {
  public:
    logger(log_options options, std::shared_ptr<spdlog::sinks::sink> sink);

    // The same log, for another component.
    logger named(std::string component) const;

    void trace(std::string_view message, std::initializer_list<log_field> fields = {}) const {
        write(log_level::trace, message, fields);
    }
    void debug(std::string_view message, std::initializer_list<log_field> fields = {}) const {
        write(log_level::debug, message, fields);
    }
    void info(std::string_view message, std::initializer_list<log_field> fields = {}) const {
        write(log_level::info, message, fields);
    }
    void warn(std::string_view message, std::initializer_list<log_field> fields = {}) const {
        write(log_level::warn, message, fields);
    }
    void error(std::string_view message, std::initializer_list<log_field> fields = {}) const {
        write(log_level::error, message, fields);
    }

    bool enabled(log_level level) const;
    // For the whole log, all its handles.
    void set_level(log_level level) const;
    // Lines that could not be written since the start: full disk, closed pipe. For a metric.
    std::uint64_t lines_lost() const;

  private:
    struct shared;
    logger(std::shared_ptr<shared> log, std::string component)
        : shared_(std::move(log)), component_(std::move(component)) {}
    void write(log_level level, std::string_view message, std::initializer_list<log_field> fields) const;

    std::shared_ptr<shared> shared_;
    std::string component_;
};

} // namespace coppice

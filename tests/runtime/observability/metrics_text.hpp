// Reading what a scrape reads: the samples of a text, and promtool's opinion of it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <unistd.h>

namespace coppice::testing {

// The samples of a text by name and labels, as Prometheus would have them. Fails on a series that stands twice.
inline std::map<std::string, double> samples_of(const std::string& text) {
    std::map<std::string, double> samples;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with('#')) continue;
        const std::size_t space = line.rfind(' ');
        BOOST_REQUIRE(space != std::string::npos);
        const double value = std::strtod(line.c_str() + space, nullptr);
        BOOST_REQUIRE_MESSAGE(samples.emplace(line.substr(0, space), value).second, "twice: " << line);
    }
    return samples;
}

inline double sum_of(const std::map<std::string, double>& samples) {
    double sum = 0;
    for (const auto& [name, value] : samples) sum += value;
    return sum;
}

// The sum over the series of one name, of those whose labels hold `label` ("state=\"queued\"").
inline double sum_of(const std::map<std::string, double>& samples, std::string_view name,
                     std::string_view label = {}) {
    double sum = 0;
    for (const auto& [series, value] : samples)
        if (series.substr(0, series.find('{')) == name && series.find(label) != std::string::npos) sum += value;
    return sum;
}

struct promtool_verdict {
    int status;
    std::string said;
};

inline promtool_verdict promtool(const std::string& text) {
    std::string name = "/tmp/coppice-metrics-XXXXXX";
    const int fd = ::mkstemp(name.data());
    BOOST_REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream{name} << text;
    std::FILE* out = ::popen(("promtool check metrics < " + name + " 2>&1").c_str(), "r");
    BOOST_REQUIRE(out != nullptr);
    promtool_verdict verdict{};
    for (int c = 0; (c = std::fgetc(out)) != EOF;) verdict.said += static_cast<char>(c);
    verdict.status = ::pclose(out);
    ::unlink(name.c_str());
    return verdict;
}

} // namespace coppice::testing

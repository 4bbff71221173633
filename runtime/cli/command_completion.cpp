// coppice completion bash | zsh | fish
//
// What each shell is given is a few lines that ask this program what may come next, so that what is offered is
// always what this version understands.
#include <algorithm>
#include <sstream>

#include "runtime/cli/commands.hpp"

namespace coppice::cli {
namespace {

constexpr const char* bash_script = R"sh(_coppice() {
    local IFS=$'\n'
    COMPREPLY=($("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _coppice coppice
)sh";

constexpr const char* zsh_script = R"sh(#compdef coppice
_coppice() {
    local -a found
    found=(${(f)" $("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2 > / dev / null) "})
    if (($ #found));
then compadd - a found;
else _files;
fi
}
compdef _coppice coppice
)sh";

constexpr const char* fish_script = R"sh(function __coppice_complete
    set -l before (commandline -opc)
    coppice __complete $before[2..] (commandline -ct) 2>/dev/null
end
complete -c coppice -a '(__coppice_complete)'
)sh";

// The words that an option takes, where it says which: its type is then "TEXT:{a,b,c}".
std::vector<std::string> choices_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    const auto open = type.find('{'), close = type.find('}');
    std::vector<std::string> words;
    if (open == std::string::npos || close == std::string::npos) return words;
    std::istringstream list(type.substr(open + 1, close - open - 1));
    for (std::string word; std::getline(list, word, ',');) words.push_back(word);
    return words;
}

std::vector<std::string> long_flags(const CLI::App& app) {
    std::vector<std::string> flags;
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    return flags;
}

std::vector<std::string> names_below(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(below->get_name());
    return names;
}

const CLI::App* command_below(const CLI::App& app, const std::string& name) {
    const auto below = app.get_subcommands([&](const CLI::App* each) { return each->get_name() == name; });
    return below.empty() ? nullptr : below.front();
}

// The option that `word` names and that waits for a value; null: none.
const CLI::Option* waiting_option(const CLI::App& app, const std::string& word) {
    if (!word.starts_with("-")) return nullptr;
    const CLI::Option* option = app.get_option_no_throw(word);
    return option != nullptr && option->get_items_expected_max() > 0 ? option : nullptr;
}

} // namespace

std::vector<std::string> completions(const CLI::App& root, const std::vector<std::string>& words) {
    const std::string begun = words.empty() ? "" : words.back();
    const CLI::App* at = &root;
    const CLI::Option* waiting = nullptr;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const bool is_value = waiting != nullptr;
        waiting = is_value ? nullptr : waiting_option(*at, words[i]);
        if (const CLI::App* below = is_value ? nullptr : command_below(*at, words[i])) at = below;
    }
    std::vector<std::string> all;
    if (waiting != nullptr)
        all = choices_of(*waiting);
    else if (begun.starts_with("-"))
        all = long_flags(*at);
    else
        all = names_below(*at);
    std::erase_if(all, [&](const std::string& each) { return !each.starts_with(begun); });
    std::ranges::sort(all);
    return all;
}

void add_completion_command(const command_registry& commands) {
    auto shell = std::make_shared<std::string>();
    auto* app =
        commands.root.add_subcommand("completion", "Print what makes a shell complete this program's words");
    app->add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    teach(*app,
          {"source <(coppice completion bash)", "source <(coppice completion zsh)",
           "coppice completion fish > ~/.config/fish/completions/coppice.fish"},
          false);
    commands.on_chosen(*app, "completion", [shell](invocation& call) {
        call.con.print(*shell == "bash" ? bash_script : *shell == "zsh" ? zsh_script : fish_script);
        return exit_status::ok;
    });
}

} // namespace coppice::cli

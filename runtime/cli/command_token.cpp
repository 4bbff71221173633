// coppice token issue: signs here, with a key that is here; no node is asked.
#include <algorithm>

#include "runtime/auth/jwt.hpp"
#include "runtime/auth/key_file.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/config/node_config.hpp"
#include "schema/time.hpp"

namespace coppice::cli {
namespace {

struct token_flags {
    output_format format = output_format::table;
    std::string role;
    std::string tenant;
    std::string ttl = "12h";
    std::string subject;
    std::string key;
    std::string kid;
    std::string data = node_config{}.data;
    std::string audience{default_audience};
};

expected<signing_key> find_key(const token_flags& flags) {
    const std::string path = flags.key.empty() ? flags.data + "/keys" : flags.key;
    const auto keys = load_keys(path);
    if (!keys) return tl::unexpected(keys.error());
    for (const signing_key& key : *keys)
        if (key.can_sign() && (flags.kid.empty() || key.kid() == flags.kid)) return key;
    return fail(errc::not_found, path + " holds no key" +
                                     (flags.kid.empty() ? std::string{} : " \"" + flags.kid + "\"") +
                                     " that can sign");
}

std::string login_name() {
    const char* name = std::getenv("USER");
    return name != nullptr && *name != '\0' ? name : "cli";
}

exit_status run_issue(invocation& call, const token_flags& flags) {
    const auto role = role_from_name(flags.role);
    if (!role) return call.misused("\"" + flags.role + "\" is no role");
    const auto ttl = parse_duration(flags.ttl);
    if (!ttl || *ttl < std::chrono::seconds{1})
        return call.misused("--ttl: \"" + flags.ttl +
                            "\" is not a duration of a second or more, such as 90s or 24h");
    if (needs_tenant(*role) && flags.tenant.empty())
        return call.misused("the role " + flags.role + " means nothing without --tenant");
    const auto key = find_key(flags);
    if (!key) {
        const exit_status status = call.refuse(key.error());
        call.con.say("  hint: name the node's data directory with --data, or a key with --key; "
                     "a node makes its first key itself");
        return status;
    }
    const instant now = std::chrono::floor<std::chrono::seconds>(wall_clock_now());
    token_claims claims{.who = {.role = *role, .subject = flags.subject.empty() ? login_name() : flags.subject},
                        .audience = flags.audience,
                        .issued_at = now,
                        .expires_at = now + std::chrono::floor<std::chrono::seconds>(*ttl)};
    if (!flags.tenant.empty()) claims.who.tenant = flags.tenant;
    const auto token = issue_token(*key, claims);
    if (!token) return call.refuse(token.error());
    call.con.print(flags.format == output_format::json ? json_object{}
                                                                 .text("token", *token)
                                                                 .text("role", flags.role)
                                                                 .text("subject", claims.who.subject)
                                                                 .time("expires_at", claims.expires_at)
                                                                 .text("kid", key->kid())
                                                                 .done() +
                                                             "\n"
                                                       : *token + "\n");
    if (call.con.out_is_terminal()) call.say("good until " + to_rfc3339(claims.expires_at));
    return exit_status::ok;
}

} // namespace

void add_token_command(const command_registry& commands) {
    auto* token = commands.root.add_subcommand("token", "Tokens, which say who may do what");
    token->require_subcommand(1);
    teach(*token, {"export COPPICE_TOKEN=$(coppice token issue --role sre)"}, false);

    auto flags = std::make_shared<token_flags>();
    auto* issue = token->add_subcommand("issue", "Sign a token with a key of the node; prints it alone on stdout");
    std::vector<std::string> roles;
    for (const coppice::role r : all_roles()) roles.emplace_back(to_string(r));
    add_choice(*issue, "--role", flags->role, roles, "What it may do")->required();
    issue->add_option("--tenant", flags->tenant, "Nothing beyond this tenant");
    issue->add_option("--ttl", flags->ttl, "How long it is good: 90s, 24h, 30d (default 12h)");
    issue->add_option("--subject", flags->subject, "Who, for the audit (default: $USER)");
    auto* key = issue->add_option("--key", flags->key, "File or directory with the key to sign with");
    issue->add_option("--kid", flags->kid, "The key of this id (default: the first that can sign)");
    issue
        ->add_option("--data", flags->data,
                     "The node's data directory; its keys are in DIR/keys (default: " + flags->data + ")")
        ->excludes(key);
    issue->add_option("--audience", flags->audience, "The node's auth.audience (default: coppice)");
    add_output_flag(*issue, flags->format);
    teach(*issue,
          {"export COPPICE_TOKEN=$(coppice token issue --role sre --data ./coppice-data)",
           "coppice token issue --role service --tenant acme --ttl 30d --subject billing > billing.token"},
          false);
    commands.on_chosen(*issue, "token issue", [flags](invocation& call) { return run_issue(call, *flags); });
}

} // namespace coppice::cli

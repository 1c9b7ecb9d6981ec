#include "cloud/terraform.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <regex>

#include "cloud/aws_error.h"
#include "io/proc.h"

namespace slipway::cloud {
namespace {

namespace fs = std::filesystem;
using base::Error, base::ErrorCode, base::Result;

constexpr auto kCallTime = std::chrono::minutes(20);
constexpr std::size_t kOtherWords = 4096;
constexpr auto kApplyTime = std::chrono::minutes(90);
constexpr std::string_view kPlanFile = "slipway.tfplan";
constexpr std::string_view kErroredState = "errored.tfstate";
const std::vector<std::string> kVariables = {"TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1"};

std::string action_of(const Json& actions) {
  if (!actions.is_array() || actions.empty()) return "no-op";
  if (actions.size() > 1) return "replace";
  return actions.front().is_string() ? actions.front().get<std::string>() : "no-op";
}

std::string here() {
  char host[256] = {};
  ::gethostname(host, sizeof(host) - 1);
  const passwd* const user = ::getpwuid(::getuid());
  return fmt::format("{}@{}", user != nullptr ? user->pw_name : "", host);
}

// What Terraform says line by line with -json, as progress and as failures.
class Events {
 public:
  Events(const io::Patience& patience, std::vector<Terraform::Failure>& failures)
      : patience_(patience), failures_(failures), start_(base::monotonic_now()) {}

  void line(std::string_view text) {
    const auto event = codec::parse_json(text);
    if (!event) {  // a crash, or words from before -json took effect
      other_.append(text).append("\n");
      if (other_.size() > kOtherWords) other_.erase(0, other_.size() - kOtherWords);
      return;
    }
    const std::string type = codec::text(*event, "type");
    const Json& hook = codec::field(*event, "hook");
    const std::string address = codec::text(codec::field(hook, "resource"), "addr");
    if (type == "apply_start") running_.push_back(address);
    if (type == "apply_complete") ++done_;
    if (type == "apply_complete" || type == "apply_errored") std::erase(running_, address);
    if (type == "diagnostic") diagnostic(codec::field(*event, "diagnostic"));
    if (type.starts_with("apply_") && !running_.empty())
      patience_.tell(
          fmt::format("{}{}; {} done", running_.front(),
                      running_.size() > 1 ? fmt::format(" and {} more", running_.size() - 1) : "", done_),
          base::monotonic_now() - start_);
  }

  const std::string& other() const { return other_; }

 private:
  void diagnostic(const Json& d) {
    if (codec::text(d, "severity") != "error") return;
    failures_.push_back({codec::text(d, "address"),
                         fmt::format("{}\n{}", codec::text(d, "summary"), codec::text(d, "detail"))});
  }
  const io::Patience& patience_;
  std::vector<Terraform::Failure>& failures_;
  base::MonotonicTime start_;
  std::vector<std::string> running_;
  int done_ = 0;
  std::string other_;
};

}  // namespace

io::ToolNeed terraform_need() {
  return {.name = "terraform",
          .version_arguments = {"version"},
          .minimum = "1.11.0",
          .how_to_get = "Install Terraform: https://developer.hashicorp.com/terraform/install"};
}

int Change::count(std::string_view action) const {
  return static_cast<int>(std::ranges::count(resources, action, &ResourceChange::action));
}

Change read_change(const Json& shown) {
  Change out;
  for (const Json& r : codec::list(shown, "resource_changes")) {
    if (codec::text(r, "mode") == "data") continue;
    const Json& change = codec::field(r, "change");
    const std::string action = action_of(codec::field(change, "actions"));
    if (action == "no-op" || action == "read") continue;
    out.resources.push_back(
        {codec::text(r, "address"), codec::text(r, "type"), action, codec::field(change, "after")});
  }
  for (const auto& [name, change] : codec::field(shown, "output_changes").items())
    if (action_of(codec::field(change, "actions")) != "no-op") out.outputs = true;
  return out;
}

std::optional<StateLock> read_lock(std::string_view words) {
  if (words.find("acquiring the state lock") == std::string_view::npos) return std::nullopt;
  static const std::regex kId(R"(ID:\s+([0-9a-f-]+))"), kWho(R"(Who:\s+(\S+))");
  std::match_results<std::string_view::const_iterator> id, who;
  StateLock lock;
  if (std::regex_search(words.begin(), words.end(), id, kId)) lock.id = id[1];
  if (std::regex_search(words.begin(), words.end(), who, kWho)) lock.who = who[1];
  return lock;
}

Terraform::Terraform(io::Tool tool, fs::path folder, const fs::path& state, const io::Patience& patience)
    : tool_(std::move(tool)),
      folder_(std::move(folder)),
      files_{state / "terraform.log", state / "terraform.pid"},
      patience_(patience) {}

Error Terraform::failed(std::string_view doing, const std::string& words) const {
  if (const auto lock = read_lock(words))
    return Error(ErrorCode::foreign_lock, fmt::format("{} holds Terraform's lock of this state (lock {})",
                                                      lock->who.empty() ? "somebody" : lock->who, lock->id));
  const Error aws = aws_error(doing, words);
  const AwsWords parts = aws_words(words);
  const bool about_aws = aws.code() != ErrorCode::aws_failed && aws.code() != ErrorCode::cloud_missing &&
                         (!parts.name.empty() || aws.code() == ErrorCode::credentials_expired ||
                          aws.code() == ErrorCode::no_credentials);
  if (about_aws) return Error(aws).with_detail(words);
  Error error = Error(ErrorCode::terraform_failed, fmt::format("{} failed", doing)).with_detail(words);
  return passing(aws) ? std::move(error).with_param("passing") : std::move(error);
}

// True when the lock was left by a run of this machine that is gone: then nobody can hold it.
Result<bool> Terraform::unlock(const std::string& words) {
  const auto lock = read_lock(words);
  if (!lock || lock->id.empty() || lock->who != here() || former_run()) return false;
  SLIPWAY_TRY(const io::ToolAnswer answer, call({"force-unlock", "-force", lock->id}, false));
  return answer.ok();
}

Result<io::ToolAnswer> Terraform::call(std::vector<std::string> arguments, bool may_unlock) {
  std::vector<std::string> all = {fmt::format("-chdir={}", folder_.string())};
  all.insert(all.end(), arguments.begin(), arguments.end());
  SLIPWAY_RETURN_IF_ERROR(patience_.check());
  SLIPWAY_TRY(io::ToolAnswer answer, io::call_tool(tool_, {.arguments = std::move(all),
                                                           .variables = kVariables,
                                                           .deadline = base::Deadline::after(kCallTime)}));
  SLIPWAY_RETURN_IF_ERROR(patience_.check());
  if (answer.ok() || !may_unlock) return answer;
  SLIPWAY_TRY(const bool again, unlock(answer.err));
  if (again) return call(std::move(arguments), false);
  return answer;
}

bool Terraform::unsaved_state() const {
  std::error_code ignored;
  return fs::exists(folder_ / kErroredState, ignored);
}

Result<void> Terraform::settle() {
  if (const auto pid = former_run()) {
    SLIPWAY_RETURN_IF_ERROR(patience_.until(fmt::format("the former run's Terraform (pid {}) to end", *pid),
                                            kApplyTime, std::chrono::seconds(1),
                                            [&]() -> Result<bool> { return !former_run(); }));
  }
  std::error_code ignored;
  fs::remove(files_.pid, ignored);
  if (!unsaved_state()) return {};
  SLIPWAY_TRY(const io::ToolAnswer answer, call({"state", "push", std::string(kErroredState)}));
  if (!answer.ok()) return failed("terraform state push errored.tfstate", answer.why());
  // Kept, until the next one: what it says about resources is worth more than its space.
  fs::rename(folder_ / kErroredState, folder_ / "errored.tfstate.pushed", ignored);
  return {};
}

Result<void> Terraform::init() {
  // -reconfigure: the state is where backend_override.tf says, whatever a former run had.
  SLIPWAY_TRY(const io::ToolAnswer answer,
              call({"init", "-input=false", "-no-color", "-reconfigure", "-lockfile=readonly"}));
  if (!answer.ok()) return failed("terraform init", answer.why());
  return {};
}

Result<Change> Terraform::plan(const std::vector<std::string>& targets, bool destroy) {
  std::vector<std::string> arguments = {"plan", "-input=false", "-no-color", "-detailed-exitcode",
                                        fmt::format("-out={}", kPlanFile)};
  if (destroy) arguments.emplace_back("-destroy");
  for (const std::string& target : targets) arguments.push_back("-target=" + target);
  SLIPWAY_TRY(const io::ToolAnswer planned, call(std::move(arguments)));
  if (!planned.ok() && planned.status.code != 2) return failed("terraform plan", planned.why());
  SLIPWAY_TRY(const io::ToolAnswer shown, call({"show", "-json", std::string(kPlanFile)}));
  if (!shown.ok()) return failed("terraform show", shown.why());
  const auto json = codec::parse_json(shown.out);
  if (!json) return Error(ErrorCode::terraform_failed, "terraform show did not print JSON");
  return read_change(*json);
}

Result<void> Terraform::apply() {
  failures_.clear();
  Events events(patience_, failures_);
  const BackgroundCall call{.arguments = {fmt::format("-chdir={}", folder_.string()), "apply", "-input=false",
                                          "-json", "-parallelism=20", std::string(kPlanFile)},
                            .variables = kVariables,
                            .files = files_,
                            .deadline = base::Deadline::after(kApplyTime),
                            .on_line = [&](std::string_view line) { events.line(line); }};
  SLIPWAY_TRY(const io::ExitStatus status, run_in_background(tool_, call, patience_));
  if (status.code == 0 && status.signal == 0) return {};
  std::string words;
  for (const Failure& f : failures_)
    words += fmt::format("{}{}: {}", words.empty() ? "" : "\n", f.address, f.words);
  return failed("terraform apply", words.empty() ? status.describe() + "\n" + events.other() : words);
}

Result<Json> Terraform::outputs() {
  SLIPWAY_TRY(const io::ToolAnswer answer, call({"output", "-json"}));
  const auto json = codec::parse_json(answer.out);
  if (!answer.ok() || !json) return failed("terraform output", answer.why());
  Json out = Json::object();
  for (const auto& [name, output] : json->items()) out[name] = codec::field(output, "value");
  return out;
}

Result<void> Terraform::import_resource(const std::string& address, const std::string& id) {
  SLIPWAY_TRY(const io::ToolAnswer answer, call({"import", "-input=false", "-no-color", address, id}));
  if (!answer.ok()) return failed(fmt::format("terraform import {}", address), answer.why());
  return {};
}

}  // namespace slipway::cloud

#include "control/controller.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <future>
#include <map>
#include <set>

#include "io/service.h"
#include "kube/lease.h"
#include "kube/model_facts.h"
#include "kube/model_pods.h"
#include "policy/cause.h"
#include "telemetry/log.h"

namespace slipway::control {
namespace {

using base::Result;
using codec::field, codec::text;
using kube::Json;
using policy::Trouble;
using telemetry::Level;

constexpr auto kLookEvery = std::chrono::seconds(15);
constexpr auto kGoodbye = std::chrono::seconds(10);
constexpr double kPatienceS = 30;                     // of a replica that is young
constexpr auto kSayAgain = std::chrono::minutes(30);  // an API server forgets Events after an hour
const kube::Resource kPods{"", "v1", "pods"}, kEvents{"", "v1", "events"};

// What passes by itself, or was asked for.
bool is_as_it_should_be(Trouble trouble) {
  switch (trouble) {
    case Trouble::slow_start:
    case Trouble::starting:
    case Trouble::scaled_to_zero:
    case Trouble::ready:
    case Trouble::leaving:
    case Trouble::not_known:
      return true;
    default:
      return false;
  }
}

// The causes of one namespace's models, written as Events.
class Reporter {
 public:
  Reporter(kube::Client client, std::string name_space, const std::atomic<bool>& stopping)
      : client_(std::move(client)), name_space_(std::move(name_space)), patience_(&stopping) {}

  Result<void> look() {
    SLIPWAY_TRY(const Json pods, client_.list(kPods.path(name_space_), kube::kModelLabel));
    std::set<std::string> models;
    std::map<std::string, std::string> uids;
    for (const Json& pod : pods.at("items")) {
      const Json& meta = field(pod, "metadata");
      models.insert(text(field(meta, "labels"), kube::kModelLabel));
      uids[text(meta, "name")] = text(meta, "uid");
    }
    std::erase_if(said_, [&](const auto& entry) { return !uids.contains(entry.first); });
    for (const std::string& model : models) {
      SLIPWAY_TRY(const domain::ModelFacts facts, kube::model_facts(client_, name_space_, model, patience_));
      SLIPWAY_RETURN_IF_ERROR(report(facts, uids));
    }
    return {};
  }

 private:
  struct Said {
    std::string sentence;
    base::MonotonicTime at;
  };

  Result<void> report(const domain::ModelFacts& facts, const std::map<std::string, std::string>& uids) {
    std::map<std::string, double> ages;
    for (const domain::PodFact& pod : facts.pods) ages[pod.name] = pod.age_s;
    for (const policy::Finding& finding : policy::causes(facts)) {
      if (is_as_it_should_be(finding.trouble)) continue;
      for (const std::string& replica : finding.replicas) {
        const auto uid = uids.find(replica);
        if (uid == uids.end() || ages[replica] < kPatienceS) continue;
        SLIPWAY_RETURN_IF_ERROR(say(facts.id, replica, uid->second, finding));
      }
    }
    return {};
  }

  Result<void> say(const std::string& model, const std::string& pod, const std::string& uid,
                   const policy::Finding& finding) {
    const base::MonotonicTime now = base::monotonic_now();
    const auto before = said_.find(pod);
    if (before != said_.end() && before->second.sentence == finding.sentence &&
        now - before->second.at < kSayAgain)
      return {};
    const std::string name = fmt::format("{}.why-{}", pod, policy::to_string(finding.trouble));
    const std::string at = base::to_rfc3339(base::wall_now());
    const std::string seconds = at.substr(0, at.find('.')) + "Z";
    SLIPWAY_RETURN_IF_ERROR(client_.apply(
        kEvents.path(name_space_, event_name(name)),
        {{"apiVersion", "v1"},
         {"kind", "Event"},
         {"metadata", {{"name", event_name(name)}, {"namespace", name_space_}}},
         {"involvedObject",
          {{"apiVersion", "v1"}, {"kind", "Pod"}, {"namespace", name_space_}, {"name", pod}, {"uid", uid}}},
         {"type", "Warning"},
         {"reason", "Why"},
         {"message", finding.next.empty() ? finding.sentence : finding.sentence + ". " + finding.next},
         {"source", {{"component", "slipway"}}},
         {"firstTimestamp", seconds},
         {"lastTimestamp", seconds},
         {"count", 1}}));
    said_[pod] = {finding.sentence, now};
    telemetry::log(Level::info, "why", finding.sentence,
                   {{"model", model}, {"replica", pod}, {"cause", policy::to_string(finding.trouble)}});
    return {};
  }

  // Names of objects have no underscores.
  static std::string event_name(std::string name) {
    std::ranges::replace(name, '_', '-');
    return name;
  }

  kube::Client client_;
  const std::string name_space_;
  const io::Patience patience_;
  std::map<std::string, Said> said_;  // by pod
};

// The election and what the leader does, on one thread.
class Controller {
 public:
  Controller(kube::Election election, std::vector<Reporter> reporters, const std::atomic<bool>& stopping)
      : election_(std::move(election)), reporters_(std::move(reporters)), stopping_(stopping) {}

  void run() {
    bool led = false;
    base::MonotonicTime next_look{};
    while (!stopping_) {
      const base::MonotonicTime now = base::monotonic_now();
      tell(election_.step(now, base::wall_now()), "the Lease cannot be renewed");
      const bool leads = election_.leads(base::monotonic_now());
      if (leads != led)
        telemetry::log(Level::info, "election",
                       leads ? "this controller leads"
                             : "this controller leads no more; last holder: " + election_.holder());
      led = leads;
      if (leads && now >= next_look) {
        next_look = now + kLookEvery;
        for (Reporter& reporter : reporters_) tell(reporter.look(), "models cannot be looked at");
      }
      pause(kube::Election::kRetry);
    }
    tell(election_.release(base::monotonic_now(), base::wall_now()), "the Lease could not be given back");
  }

 private:
  // An API server that is away is told once, not every two seconds.
  template <class T>
  void tell(const Result<T>& done, const char* what) {
    std::string& last = told_[what];
    if (done) {
      last.clear();
      return;
    }
    if (last == done.error().message() || stopping_) return;
    last = done.error().message();
    telemetry::log(Level::warn, "controller", fmt::format("{}: {}", what, last));
  }

  void pause(base::Duration time) const {
    const base::MonotonicTime until = base::monotonic_now() + time;
    while (!stopping_ && base::monotonic_now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

  kube::Election election_;
  std::vector<Reporter> reporters_;
  const std::atomic<bool>& stopping_;
  std::map<std::string, std::string> told_;
};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "slipway-controller";
}

}  // namespace

Result<void> run_controller(const ControllerOptions& options) {
  SLIPWAY_TRY(kube::Client client, open_client(options.access));
  const std::string home = client.name_space();
  const std::vector<std::string> namespaces =
      options.namespaces.empty() ? std::vector{home} : options.namespaces;
  std::atomic<bool> stopping{false};
  std::vector<Reporter> reporters;
  for (const std::string& name_space : namespaces) {
    SLIPWAY_TRY(kube::Client reader, open_client(options.access));
    reporters.emplace_back(std::move(reader), name_space, stopping);
  }
  const std::string identity = options.identity.empty() ? host_name() : options.identity;
  Controller controller(kube::Election(std::move(client), home, options.lease, identity),
                        std::move(reporters), stopping);
  io::Loop signals("signals");
  io::on_signals(signals, {SIGINT, SIGTERM}, [&signals](int) { signals.stop(); });
  std::promise<void> ended;
  std::jthread worker([&controller, &ended] {
    controller.run();
    ended.set_value();
  });
  signals.run();
  stopping = true;
  // A call to an API server that is away lasts longer than anybody waits for us.
  if (ended.get_future().wait_for(kGoodbye) != std::future_status::ready) std::_Exit(0);
  return {};
}

}  // namespace slipway::control

// `slipway deploy` on a cluster: the phases of the start as they end, then the first token.
#include <fmt/format.h>

#include "cli/cloud.h"
#include "cli/cluster.h"
#include "cli/start_view.h"
#include "codec/values.h"
#include "environment/model_start.h"

namespace slipway::cli {
namespace {

using base::Error, base::ErrorCode, base::Result;
using kube::StartPhase;

constexpr auto kReadyTime = std::chrono::hours(1);  // weights of hundreds of gigabytes are pulled meanwhile
constexpr auto kAnswerTime = std::chrono::minutes(3);
constexpr auto kAskAgain = std::chrono::seconds(1);

Result<domain::ModelSpec> read_spec(const ClusterDeployOptions& options,
                                    const environment::ClusterPlace& place, std::string& text) {
  SLIPWAY_TRY(text, io::read_file(options.file, codec::kValuesMaxBytes));
  SLIPWAY_TRY(domain::ModelSpec spec, codec::parse_values({options.file, text}));
  if (spec.service_namespace != "default" && spec.service_namespace != place.name_space)
    return Error(ErrorCode::bad_value,
                 fmt::format("{} puts the model in namespace {}, and the environment's is {}", options.file,
                             spec.service_namespace, place.name_space))
        .with_next("Take serviceNamespace out of the file, or set kube_namespace in the blueprint.");
  if (options.replicas > 0) spec.replicas = static_cast<int>(options.replicas);
  return spec;
}

// NVIDIA's servers go by the hub's name, the others by ours.
std::string served_name(const Json& model) {
  const bool nim = text_of(model, "framework").starts_with("nim-");
  return text_of(model, nim ? "model" : "id");
}

Error stopped_watching(const std::string& id) {
  return Error(ErrorCode::interrupted, "stopped watching; the cluster goes on starting " + id)
      .with_next("`slipway status` shows it, `slipway undeploy` takes it back.");
}

Error no_answer(const std::string& id, const FirstAnswer& asked) {
  return Error(ErrorCode::start_failed, fmt::format("{} is ready and does not answer", id))
      .with_detail(asked.words)
      .with_next(fmt::format("`slipway logs {}` shows its last lines, `slipway undeploy {}` takes it back.",
                             id, id));
}

// Of a ready replica. A server may be up a little later than its pod, as Ray's proxies are: it is asked
// again. Where there is no way to it (no kubectl, no right) nothing came, and the words say why.
Result<FirstAnswer> first_answer(const environment::ClusterPlace& place, const Json& model,
                                 const io::Patience& patience) {
  const std::string id = text_of(model, "id"), framework = text_of(model, "framework");
  const auto requests = codec::first_requests(framework, served_name(model));
  const base::MonotonicTime begin = base::monotonic_now();
  const base::Deadline deadline(begin + kAnswerTime);
  while (true) {
    const auto way = way_to_replica(place, model);
    if (!way && way.error().code() != ErrorCode::no_replica)
      return FirstAnswer{.words = way.error().to_string()};
    if (!way) return way.error();
    SLIPWAY_TRY(const FirstAnswer asked, ask_first(way->local(), requests, deadline));
    if (asked.came) return asked;
    const bool again = asked.too_soon || framework == "ray-vllm";
    if (!again || deadline.left(base::monotonic_now()) <= kAskAgain) return no_answer(id, asked);
    patience.tell(id + " to answer", base::monotonic_now() - begin);
    SLIPWAY_RETURN_IF_ERROR(patience.pause(kAskAgain));
  }
}

// Until it is ready and answered; the model with how that went.
Result<Json> wait_until_it_answers(const environment::ClusterPlace& place, const domain::ModelSpec& spec,
                                   environment::ModelStart& start, Work& work) {
  auto started = start.wait(spec.replicas, kReadyTime, [&](const StartPhase& phase, std::size_t replicas) {
    work.watcher.done(phase_line(phase, replicas));
  });
  if (!started) return std::move(started).error();
  Json model = std::move(started->model);
  model["phases"] = phases_json(started->phases);
  work.watcher.step("ask it for a first answer");
  SLIPWAY_TRY(const FirstAnswer first, first_answer(place, model, work.patience));
  if (first.came)
    work.watcher.done(first_answer_line(first));
  else
    work.watcher.warn(fmt::format("{} was not asked for a first answer: {}", spec.service_name, first.words));
  model["first_answer"] =
      first.came ? Json{{"what", to_string(first.gives)}, {"seconds", first.seconds}} : Json();
  return model;
}

}  // namespace

Result<int> cluster_deploy(Invocation& invocation, const environment::ClusterPlace& place,
                           const ClusterDeployOptions& options) {
  Work work(invocation);
  std::string values;
  SLIPWAY_TRY(const domain::ModelSpec spec, read_spec(options, place, values));
  SLIPWAY_TRY(auto models, models_of(invocation.globals, place, work.patience));
  const std::string& id = spec.service_name;
  if (options.dry_run) {
    SLIPWAY_TRY(const std::string objects, models.render(id, values, options.replicas));
    invocation.console.out(objects);
    return 0;
  }
  SLIPWAY_TRY(auto start, environment::ModelStart::before(models.api(), place.name_space, id, work.patience));
  work.watcher.step(fmt::format("deploy {} to namespace {}", id, place.name_space));
  SLIPWAY_RETURN_IF_ERROR(models.deploy(id, values, options.replicas));
  Json model{{"id", id}, {"model", spec.model}, {"state", "starting"}, {"replicas", Json::array()}};
  if (options.wait && spec.replicas > 0 && spec.framework != domain::Framework::s3_copy) {
    auto answered = wait_until_it_answers(place, spec, start, work);
    work.watcher.finish();
    if (!answered && answered.error().code() == ErrorCode::interrupted) return stopped_watching(id);
    if (!answered) return std::move(answered).error();
    model = *std::move(answered);
  }
  work.watcher.finish();
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, model);
    return 0;
  }
  invocation.console.out(id + "\n");
  return 0;
}

}  // namespace slipway::cli

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/client.h"
#include "cli/cloud.h"
#include "cli/cluster.h"
#include "cli/model_view.h"
#include "cli/text.h"
#include "control/model_facts.h"
#include "policy/cause.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;
using policy::Finding;
using policy::Trouble;

struct Options {
  std::string name;
};

Style style_of(Trouble trouble) {
  switch (trouble) {
    case Trouble::ready:
      return Style::green;
    case Trouble::slow_start:
    case Trouble::starting:
    case Trouble::leaving:
    case Trouble::scaled_to_zero:
      return Style::yellow;
    default:
      return Style::red;
  }
}

Json finding_json(const Finding& finding) {
  return {{"kind", policy::to_string(finding.trouble)},
          {"sentence", finding.sentence},
          {"replicas", finding.replicas},
          {"evidence", finding.evidence},
          {"next", finding.next.empty() ? Json() : Json(finding.next)}};
}

std::size_t ready_of(const domain::ModelFacts& facts) {
  return static_cast<std::size_t>(std::ranges::count_if(
      facts.pods, [](const domain::PodFact& pod) { return pod.ready && !pod.leaving; }));
}

Json answer(const domain::ModelFacts& facts, const std::vector<Finding>& findings) {
  Json causes = Json::array();
  for (const Finding& finding : findings) causes.push_back(finding_json(finding));
  return {{"id", facts.id},
          {"ready", ready_of(facts)},
          {"replicas_wanted", facts.wanted < 0 ? Json() : Json(facts.wanted)},
          {"causes", causes},
          {"not_looked_at", facts.not_looked_at}};
}

// Heading and lines of one part of a finding, aligned.
void add_part(std::string& out, std::string_view heading, const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i)
    out += fmt::format("  {:<10}{}\n", i == 0 ? heading : "", without_controls(lines[i]));
}

std::string human(const Console& console, const domain::ModelFacts& facts,
                  const std::vector<Finding>& findings) {
  const std::string of = facts.wanted > 0
                             ? fmt::format("{} of {} ready", ready_of(facts), facts.wanted)
                             : counted(static_cast<double>(ready_of(facts)), "replica") + " ready";
  std::string out = fmt::format("{}: {}\n", console.paint_out(Style::bold, without_controls(facts.id)), of);
  for (const Finding& finding : findings) {
    out += fmt::format("\n{}  {}\n",
                       console.paint_out(style_of(finding.trouble), policy::to_string(finding.trouble)),
                       without_controls(finding.sentence));
    if (!finding.replicas.empty())
      add_part(out, "replicas", {fmt::format("{}", fmt::join(finding.replicas, ", "))});
    add_part(out, "evidence", finding.evidence);
    if (!finding.next.empty()) add_part(out, "next", {finding.next});
  }
  return out;
}

base::Result<domain::ModelFacts> of_cluster(Invocation& invocation, const environment::ClusterPlace& place,
                                            const std::string& name) {
  Work work(invocation, true);
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(auto models, environment::ClusterModels::open(paths, environment_name(invocation.globals),
                                                            place, work.patience));
  return models.facts(name);
}

base::Result<domain::ModelFacts> of_daemon(Invocation& invocation, const std::string& name) {
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  SLIPWAY_TRY(const Json models, client.get("/control/v1/models"));
  std::vector<std::string> names = model_names(list_of(models, "models"));
  for (const Json& model : list_of(models, "models")) {
    domain::ModelFacts facts = control::model_facts(model);
    if (text_of(model, "id") == name || text_of(model, "model") == name) return facts;
    for (const domain::PodFact& replica : facts.pods) names.push_back(replica.name);
    std::erase_if(facts.pods, [&](const domain::PodFact& replica) { return replica.name != name; });
    if (facts.pods.empty()) continue;
    facts.wanted = 1;
    return facts;
  }
  std::string message = fmt::format("no model or replica named \"{}\" is deployed", name);
  if (const auto near = nearest(name, names)) message += fmt::format("; did you mean {}?", *near);
  return Error(ErrorCode::unknown_model, std::move(message))
      .with_next("`slipway status` names models and replicas.");
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  SLIPWAY_TRY(const domain::ModelFacts facts,
              cluster ? of_cluster(invocation, *cluster, options.name) : of_daemon(invocation, options.name));
  const std::vector<Finding> findings = policy::causes(facts);
  Console& console = invocation.console;
  if (invocation.globals.output != OutputFormat::table) {
    print_value(console, invocation.globals.output, answer(facts, findings));
    return 0;
  }
  console.out(human(console, facts, findings));
  if (!facts.not_looked_at.empty() && !invocation.globals.quiet)
    print_note(console, fmt::format("Not looked at: {}.", fmt::join(facts.not_looked_at, "; ")));
  return 0;
}

}  // namespace

Verb why_verb() {
  auto o = std::make_shared<Options>();
  return {.name = "why",
          .group = "Run",
          .summary = "why a model is not ready: cause, evidence, next command",
          .about =
              "Looks at what runs and what it said; changes nothing. The first cause is the one to mend: the "
              "others are told because they may be next. Without a trouble it says so. The answer exits 0 "
              "whatever it is; programs look at `causes[0].kind` of -o json.",
          .options = {{.names = "NAME",
                       .target = &o->name,
                       .help = "A model's id, its Hugging Face id, or a replica of `slipway status`.",
                       .required = true}},
          .examples = {{"slipway why qwen3-8b-vllm", "what holds the model up"},
                       {"slipway why qwen3-8b-vllm -o json", "the same for a program"}},
          .exits = {{1, "there is nothing of that name"}, {4, "Slipway is not running"}},
          .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli

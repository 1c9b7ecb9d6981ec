// The list of verbs, and the options that all of them take.
#include "cli/verb.h"

namespace slipway::cli {

std::vector<Verb> all_verbs() {
  std::vector<Verb> verbs;
  for (auto make : {up_verb,     down_verb,    status_verb,   top_verb,     logs_verb,       why_verb,
                    doctor_verb, deploy_verb,  undeploy_verb, models_verb,  chat_verb,       keys_verb,
                    secret_verb, plan_verb,    prices_verb,   addons_verb,  image_verb,      blueprint_verb,
                    config_verb, explain_verb, serve_verb,    version_verb, completion_verb, help_verb})
    verbs.push_back(make());
  return verbs;
}

std::vector<Option> global_options(Globals& globals) {
  return {
      {.names = "-o,--output",
       .target = &globals.output_flag,
       .value = "FORMAT",
       .help = "How to print data.",
       .choices = {"table", "json", "yaml"}},
      {.names = "--environment",
       .target = &globals.environment,
       .value = "NAME",
       .help = "The environment to speak to (default: local)."},
      {.names = "-y,--yes", .target = &globals.yes, .help = "Answer yes to every question."},
      {.names = "-q,--quiet", .target = &globals.quiet, .help = "No progress and no notes on stderr."},
      {.names = "-v,--verbose", .target = &globals.verbose, .help = "More on stderr."},
  };
}

}  // namespace slipway::cli

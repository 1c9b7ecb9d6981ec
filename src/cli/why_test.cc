// `why` and `secret` on this machine; on a cluster: tests/cluster.
#include <fstream>

#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

using Why = VerbTest;
struct Secrets : VerbTest {
  Secrets() { unsetenv("HF_TOKEN"); }
};

constexpr const char* kCanary = "hf_canaryThatIsNowhere";

std::string deployed(const std::function<void(Json&)>& change) {
  Json models{{"models", Json::parse(kReady)["models"]}};
  change(models["models"][0]["replicas"]);
  return models.dump();
}
void crash(Json& replicas) {
  replicas[1]["state"] = "crash_loop";
  replicas[1]["restarts"] = 5;
  replicas[1]["last_exit"] = "ended by signal 11 (SIGSEGV) while it loaded the model";
  replicas[1]["last_exit_class"] = "crash";
  replicas[1]["last_lines"] = {"llama_model_load: tensor 'output' is missing", "cannot load"};
}

TEST_F(Why, TheCauseTheEvidenceAndTheNextCommand) {
  on("GET /control/v1/models", deployed(crash));
  golden("why_crash_loop", {"why", "smollm2-135m"});
  golden("why_crash_loop_json", {"why", "smollm2-135m-x9d3p", "-o", "json"});
}

TEST_F(Why, ASlowStartIsNoTrouble) {
  on("GET /control/v1/models", deployed([](Json& replicas) {
       replicas[1]["restarts"] = 0;
       replicas[1]["last_exit"] = nullptr;
       replicas[1]["last_exit_class"] = nullptr;
     }));
  golden("why_slow_start", {"why", "HuggingFaceTB/SmolLM2-135M-Instruct"});
}

TEST_F(Why, NothingIsWrongWithAModelThatIsReady) {
  on("GET /control/v1/models", deployed([](Json& replicas) { replicas[1] = replicas[0]; }));
  golden("why_ready", {"why", "smollm2-135m"});
}

TEST_F(Why, OfNobody) {
  on("GET /control/v1/models", deployed(crash));
  golden("why_unknown", {"why", "smollm2-135n"});
  golden("why_no_name", {"why"});
}

TEST_F(Why, WithoutADaemon) {
  golden("why_not_running", {"why", "smollm2-135m"});
}

TEST_F(Secrets, TheTokenIsAskedForWithoutShowingIt) {
  golden("secret_list_empty", {"secret", "list"});
  golden("secret_set_prompt", {"secret", "set", "hf-token"}, terminal(), {kCanary});
  EXPECT_EQ(read_whole(home_ / "config/hf-token"), std::string(kCanary) + "\n");
  const Ran listed = ran({"secret", "list", "-o", "json"});
  const Json secrets = Json::parse(listed.out)["secrets"];
  ASSERT_EQ(secrets.size(), 1u);
  EXPECT_EQ(secrets[0]["name"], "hf-token");
  EXPECT_GE(secrets[0]["age_s"].get<double>(), 0);
  EXPECT_EQ(listed.out.find(kCanary), std::string::npos);
}

TEST_F(Secrets, AFileOrStdinWillDo) {
  std::ofstream(home_ / "token.txt") << kCanary << "\n";
  golden("secret_set_file",
         {"secret", "set", "hf-token", "--file", (home_ / "token.txt").string(), "-o", "json"});
  const Ran piped = ran({"secret", "set", "hf-token", "--file", "-", "-q"}, {}, {kCanary});
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_EQ((piped.out + piped.err).find(kCanary), std::string::npos);
}

TEST_F(Secrets, WhatIsNoTokenChangesNothing) {
  golden("secret_set_empty", {"secret", "set", "hf-token", "--file", "-"}, {}, {""});
  golden("secret_set_blank", {"secret", "set", "hf-token", "--file", "-"}, {}, {std::string(kCanary) + " x"});
  golden("secret_set_no_terminal", {"secret", "set", "hf-token"});
  golden("secret_set_unknown", {"secret", "set", "openai-key", "--file", "-"}, {}, {"x"});
  EXPECT_FALSE(std::filesystem::exists(home_ / "config/hf-token"));
  golden("secret_set_unusual", {"secret", "set", "hf-token", "--file", "-"}, {}, {"api_org_x"});
}

TEST_F(Secrets, NothingButTheFileHoldsTheToken) {
  ASSERT_EQ(ran({"secret", "set", "hf-token", "--file", "-"}, {}, {kCanary}).exit_code, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(home_))
    if (entry.is_regular_file() && entry.path().filename() != "hf-token") {
      EXPECT_EQ(read_whole(entry.path()).find(kCanary), std::string::npos) << entry.path();
    }
}

}  // namespace
}  // namespace slipway::cli

// The verbs that look at a cloud environment before it exists: plan, addons, blueprint.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "cli/verb_test.h"
#include "codec/reference_files.h"

namespace slipway::cli {
namespace {

class PlanVerb : public VerbTest {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = home_.string() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  void golden_plan(const std::string& name, const std::string& text, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"plan", "-f", write("env.tfvars", text), "--day", "2026-11-24"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran r = ran(arguments);
    arguments[2] = "env.tfvars";
    expect_golden(name, arguments, r, {{home_.string() + "/", ""}});
  }
};

TEST_F(PlanVerb, TheReferencesFileHasAPlanOffline) {
  const auto file = codec::reference_files() / "blueprint.tfvars";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "the reference's files are not beside this checkout";
  golden_plan("plan_reference", codec::read_text(file));
}

TEST_F(PlanVerb, AsJsonWithTheReferencesModels) {
  const auto files = codec::reference_files() / "values";
  if (!std::filesystem::exists(files)) GTEST_SKIP() << "the reference's files are not beside this checkout";
  const Ran r = ran({"plan", "-f", write("env.tfvars", "name = \"dev\"\ntarget = \"eks\"\n"), "--models",
                     files.string(), "-o", "json", "--day", "2026-11-24"});
  ASSERT_EQ(r.exit_code, 3) << r.err;
  const Json plan = Json::parse(r.out);
  EXPECT_EQ(plan["kubernetes_version"], "1.35");
  EXPECT_GE(plan["models"].size(), 8u);
  for (const Json& model : plan["models"]) EXPECT_FALSE(model["instance_type"].is_null()) << model;
}

TEST_F(PlanVerb, EveryNodeOfAModelIsPlannedOnAPoolThatTheEnvironmentHas) {
  std::filesystem::create_directory(home_ / "models");
  write("models/arm.yaml", "model: a/arm\ninference: {accelerator: graviton}\n");
  write("models/copy.yaml", "s3ModelCopy: {model: a/copied, s3Bucket: b}\n");
  write("models/ray.yaml", "model: a/ray\ninference: {framework: ray-vllm}\n");
  write("models/trn2.yaml",
        "model: a/trn2\ninference:\n  accelerator: neuron\n  modelServer: {deployment: {instanceType: "
        "trn2.48xlarge}}\n");
  const Ran r = ran({"plan", "-f", write("env.tfvars", "name = \"dev\"\ntarget = \"eks\"\n"), "--models",
                     home_.string() + "/models", "-o", "json", "--day", "2026-11-24"});
  ASSERT_EQ(r.exit_code, 3) << r.err;
  const Json models = Json::parse(r.out)["models"];
  ASSERT_EQ(models.size(), 4u);
  EXPECT_TRUE(models[0]["instance_type"].is_null());
  EXPECT_EQ(models[0]["why"], "the environment has no node pool for it: add graviton to nodepools");
  EXPECT_EQ(models[1]["name"], "copied-copy");
  EXPECT_EQ(models[1]["pool"], "general-purpose");
  EXPECT_EQ(models[2]["pool"], "gpu");
  EXPECT_EQ(models[2]["head"]["pool"], "general-purpose");
  EXPECT_FALSE(models[2]["head"]["instance_type"].is_null());
  EXPECT_THAT(models[3]["why"].get<std::string>(), testing::HasSubstr("trn2.48xlarge is beyond node_limits"));
}

TEST_F(PlanVerb, MistakesStopItBeforeAnything) {
  golden_plan("plan_bad_network",
              "name = \"dev\"\ntarget = \"eks\"\nsecondary_cidr_blocks = [\"10.0.128.0/17\"]\n"
              "allowed_inbound_cidrs = [\"0.0.0.0/0\"]\n");
  golden_plan("plan_too_few_zones", "name = \"dev\"\nregion = \"eu-west-1\"\navailability_zones_count = 4\n");
  golden_plan("plan_old_version", "name = \"dev\"\ntarget = \"eks\"\neks_cluster_version = \"1.29\"\n");
  golden_plan("plan_local", "name = \"dev\"\n");
  golden_plan("plan_no_name", "target = \"eks\"\n");
}

TEST_F(PlanVerb, AVersionThatLeavesStandardSupportHasItsPrice) {
  const std::string file =
      write("env.tfvars", "name = \"dev\"\ntarget = \"eks\"\neks_cluster_version = 1.34\n");
  const Json soon = Json::parse(ran({"plan", "-f", file, "--day", "2026-11-24", "-o", "json"}).out);
  EXPECT_EQ(soon["risks"][0]["id"], "support-ends");
  const Json late = Json::parse(ran({"plan", "-f", file, "--day", "2026-12-02", "-o", "json"}).out);
  EXPECT_EQ(late["risks"][0]["id"], "extended-support");
  EXPECT_NEAR(late["fixed_price"]["usd_month"].get<double>() - soon["fixed_price"]["usd_month"].get<double>(),
              365, 0.01);
}

TEST_F(PlanVerb, AVariableIsExplained) {
  golden("blueprint_explain", {"blueprint", "explain", "node_limits"});
  golden("blueprint_explain_instead", {"blueprint", "explain", "huggingface_token"});
  golden("blueprint_explain_unknown", {"blueprint", "explain", "node_limit"});
}

TEST_F(PlanVerb, TheDefaultAddOnsAreListedWithTheirPins) {
  const Json out = Json::parse(ran({"addons", "list", "-o", "json"}).out);
  const auto found =
      std::ranges::find_if(out["addons"], [](const Json& a) { return a["name"] == "karpenter"; });
  ASSERT_NE(found, out["addons"].end());
  EXPECT_TRUE((*found)["on"].get<bool>());
  EXPECT_EQ((*found)["why"], "every environment has it");
}

TEST_F(PlanVerb, AddOnsAreWrittenAsFilesWithWhatTheBlueprintKnows) {
  const std::string folder = home_.string() + "/gitops";
  const Ran r =
      ran({"addons", "render", folder, "-f", write("env.tfvars", "name = \"dev\"\ntarget = \"eks\"\n")});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  const std::string values = read_whole(folder + "/addons/karpenter/values.yaml");
  EXPECT_NE(values.find("clusterName: dev"), std::string::npos) << values;
  EXPECT_TRUE(std::filesystem::exists(folder + "/charts/node-pools/Chart.yaml"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/addons/opensearch"));  // it is off
}

TEST_F(PlanVerb, AnInstanceTypeHasAPrice) {
  golden("prices_type", {"prices", "g6e.2xlarge"});
  golden("prices_unknown", {"prices", "g6e.2xlrge"});
}

}  // namespace
}  // namespace slipway::cli

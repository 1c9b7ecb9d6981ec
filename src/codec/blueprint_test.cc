#include "codec/blueprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "codec/cluster_settings.h"
#include "codec/reference_files.h"

namespace slipway::codec {
namespace {

using base::ErrorCode;
using domain::Target;
using testing::HasSubstr;

base::Result<domain::Blueprint> read(std::string_view text) {
  return parse_blueprint({"env.tfvars", text});
}

TEST(Blueprint, TheDefaultsOfTheTableAreTheDefaultsOfTheValue) {
  const domain::Blueprint defaults;
  for (const Variable& v : blueprint_variables())
    if (v.targets & kLocal) EXPECT_EQ(value_text(defaults, v.name), v.default_text) << v.name;
}

TEST(Blueprint, EveryVariableIsNamedOnceAndExplained) {
  std::set<std::string_view> names;
  for (const Variable& v : blueprint_variables()) {
    EXPECT_TRUE(names.insert(v.name).second) << v.name;
    EXPECT_FALSE(v.meaning.empty()) << v.name;
    EXPECT_NE(v.targets, 0u) << v.name;
  }
  EXPECT_EQ(environment_name(*find_variable("gateway_port")), "SLIPWAY_GATEWAY_PORT");
}

TEST(Blueprint, ALocalFileIsReadWithTheOriginOfEachValue) {
  const auto b = read(
      "name = \"dev\"\ngateway_port = 8080\nmodels = [\"a.yaml\", \"qwen3-0.6b\"]\ndrain_timeout_s = "
      "\"5\"\n");
  ASSERT_TRUE(b.has_value()) << b.error().to_string();
  EXPECT_EQ(b->name, "dev");
  EXPECT_EQ(b->target, Target::local);
  EXPECT_EQ(b->gateway_port, 8080);
  EXPECT_EQ(b->drain_timeout_s, 5);
  EXPECT_THAT(b->models, testing::ElementsAre("a.yaml", "qwen3-0.6b"));
  EXPECT_EQ(b->origins.at("gateway_port"), "env.tfvars:2");
  EXPECT_TRUE(require_local(*b).has_value());
}

TEST(Blueprint, AFileWithoutTargetThatOnlyAClusterUnderstandsIsAnEksFile) {
  const auto b = read("name = \"x\"\navailability_zones_count = 4\n");
  ASSERT_TRUE(b.has_value());
  EXPECT_EQ(b->target, Target::eks);
  const auto refused = require_local(*b);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::target_unsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("target = \"eks\", and only target = \"local\" works"));
  EXPECT_THAT(refused.error().message(), HasSubstr("only an EKS environment has 'availability_zones_count'"));
}

TEST(Blueprint, WithTargetLocalClusterVariablesAreAcceptedWithANote) {
  const auto b = read("target = \"local\"\nenable_aibrix_stack = true\neks_cluster_version = 1.34\n");
  ASSERT_TRUE(b.has_value()) << b.error().to_string();
  EXPECT_EQ(b->target, Target::local);
  ASSERT_EQ(b->notes.size(), 1u);
  EXPECT_THAT(b->notes[0], HasSubstr("enable_aibrix_stack, eks_cluster_version"));
  EXPECT_TRUE(b->warnings.empty());
}

struct Bad {
  const char* text;
  ErrorCode code;
  const char* words;
};

TEST(Blueprint, MistakesAreNamedWithTheirPlace) {
  const Bad rows[] = {
      {"gatway_port = 1\n", ErrorCode::unknown_key,
       "there is no variable 'gatway_port'; did you mean 'gateway_port'? (env.tfvars:1:1)"},
      {"gateway_port = \"many\"\n", ErrorCode::wrong_type,
       "'gateway_port' must be a whole number, not text (env.tfvars:1:16)"},
      {"gateway_port = 8000.5\n", ErrorCode::wrong_type, "must be a whole number"},
      {"gateway_port = 70000\n", ErrorCode::bad_value, "it must be 0 to 65535"},
      {"enable_aibrix_stack = 3\n", ErrorCode::wrong_type, "must be true or false, not a number"},
      {"enable_cluster_addons = {a = 1}\n", ErrorCode::wrong_type, "a map of true and false"},
      {"models = {a = 1}\n", ErrorCode::wrong_type, "a list of texts"},
      {"node_limits = {gpus = 1}\n", ErrorCode::unknown_key, "did you mean 'gpu'?"},
      {"availability_zones_count = 9\n", ErrorCode::bad_value, "it must be 2 to 6"},
      {"topology = \"spred\"\n", ErrorCode::bad_value, "did you mean 'spread'?"},
      {"eks_cluster_version = \"latest\"\n", ErrorCode::bad_value, "a minor version"},
      {"monthly_budget_usd = -1\n", ErrorCode::bad_value, "more than 0"},
      {"models = [\"\"]\n", ErrorCode::bad_value, "an empty name"},
      {"name = \"../x\"\n", ErrorCode::bad_value, "a-z, 0-9 and '-'"},
      {"gateway_host = \"\"\n", ErrorCode::bad_value, "an address to listen on"},
      {"target = \"locl\"\n", ErrorCode::bad_value, "did you mean 'local'?"},
      {"name = var.x\n", ErrorCode::syntax, "a reference"},
  };
  for (const Bad& row : rows) {
    const auto b = read(row.text);
    ASSERT_FALSE(b.has_value()) << row.text;
    EXPECT_EQ(b.error().code(), row.code) << b.error().to_string();
    EXPECT_THAT(b.error().message(), HasSubstr(row.words));
    EXPECT_FALSE(b.error().detail().empty()) << row.text;
  }
}

TEST(Blueprint, FlagsAndEnvironmentSetTheSameVariables) {
  domain::Blueprint b;
  ASSERT_TRUE(set_variable(b, "gateway_port", "9000", "--port").has_value());
  ASSERT_TRUE(set_variable(b, "models", "a,b", "SLIPWAY_MODELS").has_value());
  EXPECT_EQ(b.gateway_port, 9000);
  EXPECT_EQ(value_text(b, "models"), "[\"a\", \"b\"]");
  EXPECT_EQ(b.origins.at("gateway_port"), "--port");
  const auto bad = set_variable(b, "gateway_port", "x", "SLIPWAY_GATEWAY_PORT");
  EXPECT_THAT(bad.error().message(), HasSubstr("must be a whole number, not text (SLIPWAY_GATEWAY_PORT)"));
  EXPECT_EQ(set_variable(b, "nmae", "x", "--nmae").error().code(), ErrorCode::unknown_key);
}

TEST(Blueprint, AClustersVariablesAreReadOverTheTablesDefaults) {
  const auto b = read(
      "target = \"eks\"\nname = \"x\"\nallowed_inbound_cidrs = \"203.0.113.0/24\"\nnode_limits = {gpu = 4}\n"
      "enable_cluster_addons = {metrics-server = true}\nmonthly_budget_usd = 900\n");
  ASSERT_TRUE(b.has_value()) << b.error().to_string();
  const domain::Cluster& c = b->cluster;
  EXPECT_THAT(c.allowed_inbound_cidrs, testing::ElementsAre("203.0.113.0/24"));
  EXPECT_EQ(c.node_limits.at("gpu"), 4);
  EXPECT_EQ(c.node_limits.at("cpu"), 512);
  EXPECT_TRUE(c.eks_addons.at("metrics-server"));
  EXPECT_TRUE(c.eks_addons.at("coredns"));
  EXPECT_EQ(c.zones, 4);
  EXPECT_TRUE(c.single_nat_gateway());
  EXPECT_EQ(c.terraform.at("allowed_inbound_cidrs"), "[\"203.0.113.0/24\"]");
  EXPECT_EQ(c.terraform.at("monthly_budget_usd"), "900.0");
  EXPECT_FALSE(c.terraform.contains("node_limits"));
  const std::string variables = terraform_variables(*b, "1.35");
  EXPECT_THAT(variables, HasSubstr("\"eks_cluster_version\": \"1.35\""));
  EXPECT_THAT(variables, HasSubstr("\"name\": \"x\""));
}

TEST(Blueprint, AVariableThatIsNotHonouredIsAWarningWithWhatToUse) {
  const auto b =
      read("target = \"eks\"\nenable_istio = true\nenable_redis = false\nkarpenter_version = \"1.14.0\"\n");
  ASSERT_TRUE(b.has_value());
  ASSERT_EQ(b->warnings.size(), 1u);  // the others are at their defaults
  EXPECT_THAT(b->warnings[0], HasSubstr("env.tfvars:2: 'enable_istio' has no effect: "));
}

TEST(Blueprint, NullMeansTheDefault) {
  const auto b = read("gateway_port = null\nsolution_id = null\n");
  ASSERT_TRUE(b.has_value());
  EXPECT_EQ(b->gateway_port, 8000);
  EXPECT_EQ(b->target, Target::local);
}

TEST(Blueprint, TheReferencesFileLoadsUnchangedAndIsAnEksEnvironment) {
  const auto file = reference_files() / "blueprint.tfvars";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "the reference's files are not beside this checkout";
  const auto b = read(read_text(file));
  ASSERT_TRUE(b.has_value()) << b.error().to_string();
  EXPECT_EQ(b->name, "inference-cluster");
  EXPECT_EQ(b->target, Target::eks);
  EXPECT_EQ(require_local(*b).error().code(), ErrorCode::target_unsupported);
}

}  // namespace
}  // namespace slipway::codec

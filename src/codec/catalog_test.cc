#include "codec/catalog.h"
#include "codec/platform_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "codec/values.h"

namespace slipway::codec {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

TEST(Catalog, TheBuiltInOneIsWholeAndSane) {
  const auto parsed = parse_catalog({"models.yaml", platform_file("catalog/models.yaml")});
  ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string();
  EXPECT_GE(parsed->models.size(), 20u);
  for (const auto& entry : parsed->models) {
    EXPECT_FALSE(entry.license.empty()) << entry.name;
    EXPECT_FALSE(entry.description.empty()) << entry.name;
    EXPECT_GT(entry.parameters, 1'000'000u) << entry.name;
    EXPECT_GE(entry.context_tokens, 512) << entry.name;
    EXPECT_EQ(entry.kv_bytes_per_token == 0, entry.task == domain::ModelTask::embedding) << entry.name;
    for (const auto& file : entry.files) {
      EXPECT_GT(file.bytes, 1'000'000u) << file.name;
      const double bits = static_cast<double>(file.bytes) * 8 / static_cast<double>(entry.parameters);
      EXPECT_TRUE(bits > 4 && bits < 18) << file.name << " has " << bits << " bits a parameter";
      EXPECT_TRUE(!file.sha256.empty() || file.bytes_approx)
          << file.name << ": an exact size needs the file, so its digest";
      EXPECT_TRUE(file.source.ends_with(file.name)) << file.name;
    }
  }
}

TEST(Catalog, TheEmbeddedModelIsThereWithItsDigest) {
  const auto* entry = built_in_catalog().find(kEmbeddedModel);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->kv_bytes_per_token, 23'040u);
  EXPECT_EQ(entry->files.front().bytes, 98'362'432u);
  EXPECT_THAT(entry->files.front().sha256, testing::StartsWith("b179c952"));
  EXPECT_EQ(built_in_catalog().find("huggingfacetb/smollm2-135m-instruct"), entry);
}

TEST(Catalog, TheModelsOfTheReferencesLocalFilesAreKnown) {
  for (const char* model :
       {"NousResearch/Llama-3.2-1B", "Qwen/Qwen3-1.7B", "openai/gpt-oss-20b",
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "mistralai/Mistral-Small-24B-Instruct-2501",
        "meta-llama/Llama-3.1-8B-Instruct", "NousResearch/Meta-Llama-3-8B-Instruct"})
    EXPECT_NE(built_in_catalog().find(model), nullptr) << model;
}

TEST(Catalog, AnUnknownNameHasASuggestion) {
  const auto got = built_in_catalog().get("qwen3-1.7");
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code(), ErrorCode::model_unknown);
  EXPECT_THAT(got.error().message(), HasSubstr("did you mean 'qwen3-1.7b'?"));
}

constexpr std::string_view kOne = R"(models:
  - name: a
    model: x/a
    license: MIT
    task: chat
    files:
      - {name: a.gguf, quantization: Q8_0, source: 'file:/m/a.gguf', bytes: 5}
)";

TEST(Catalog, AFolderMayReplaceAndAddEntries) {
  Catalog base = *parse_catalog({"f", kOne});
  Catalog over = *parse_catalog(
      {"f", std::string(kOne) + "  - {name: b, model: x/b, license: MIT, task: base, files: [{name: b.gguf, "
                                "quantization: F16, source: 'hf:x/b/b.gguf'}]}\n"});
  over.models.front().description = "new";
  base.merge(over);
  ASSERT_EQ(base.models.size(), 2u);
  EXPECT_EQ(base.find("a")->description, "new");
}

TEST(Catalog, ASpecOfAnEntryCanBeDeployed) {
  for (const auto& entry : built_in_catalog().models) {
    const auto spec = spec_of(entry);
    EXPECT_TRUE(check_local(spec, 0).has_value()) << entry.name;
    EXPECT_EQ(parse_values(
                  {"v", "model: " + spec.model + "\ninference: {serviceName: " + spec.service_name + "}\n"})
                  ->service_name,
              spec.service_name);
  }
}

TEST(Catalog, MistakesAreNamed) {
  const auto with = [](std::string_view from, std::string_view to) {
    std::string text(kOne);
    text.replace(text.find(from), from.size(), to);
    const auto parsed = parse_catalog({"f.yaml", text});
    return parsed ? std::string("accepted") : parsed.error().message();
  };
  EXPECT_THAT(with("license", "licence"), HasSubstr("did you mean 'license'?"));
  EXPECT_THAT(with("task: chat", "task: talk"), HasSubstr("chat, base or embedding"));
  EXPECT_THAT(with("    model: x/a\n", ""), HasSubstr("the key 'model' is missing (f.yaml:2:5)"));
  EXPECT_THAT(with("bytes: 5", "bytes: many"), HasSubstr("'bytes' must be a whole number"));
  EXPECT_THAT(with("bytes: 5", "sha256: abc"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(with("file:/m", "ftp:/m"), HasSubstr("'source' must begin with one of hf:"));
  EXPECT_THAT(with("bytes: 5", "derive_from: b"), HasSubstr("either 'source' or 'derive_from'"));
  EXPECT_THAT(with("name: a.gguf", "name: ../a"), HasSubstr("without a folder"));
  EXPECT_THAT(with("    model: x/a\n", "    model: A\n"), HasSubstr("stands for two models"));
  EXPECT_THAT(with("models:", "model:"), HasSubstr("did you mean 'models'?"));
}

}  // namespace
}  // namespace slipway::codec

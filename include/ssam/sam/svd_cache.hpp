#pragma once

#include <chrono>
#include <ssam/io/sealed_file.hpp>
#include <ssam/sam/state.hpp>

namespace ssam::inline SSAM_ABI {

/// What prepare_cached did.
struct SvdCacheReport {
  std::filesystem::path file;  ///< the cache, beside the checkpoint
  Index read = 0;              ///< layers whose factors came from the file
  Index computed = 0;          ///< layers that were factored
  bool written = false;        ///< the file holds all of them now, by our hand
  std::string note = {};       ///< why the file could not be used or written, if so
  double seconds = 0;          ///< all of it took
};

/// Where the SVD factors of a checkpoint are kept.
inline std::filesystem::path svd_cache_file(std::filesystem::path checkpoint) {
  return checkpoint += ".svd.safetensors";
}

namespace detail {

inline constexpr const char* svd_cache_format = "ssam svd factors 1";

/// The file's tensors, or none and the reason: absent, damaged, made from other weights.
inline StateDict read_svd_cache(const std::filesystem::path& file, const std::string& base_hash, std::string& note) {
  std::error_code failure;
  if (!std::filesystem::exists(file, failure)) return {};
  try {
    StateDict state = load_sealed(file, {.strict_finite = true});
    if (state.metadata["format"] != svd_cache_format) {
      note = "it is no cache of SVD factors";
    } else if (state.metadata["base_hash"] != base_hash) {
      note = "it is stale: made from other weights";
    } else {
      return state;
    }
  } catch (const Error& error) {
    note = error.what();
  }
  return {};
}

/// Whether the file is somebody's, but no cache: it is not to be replaced. A damaged cache is nobody's.
inline bool is_foreign(const std::filesystem::path& file) {
  try {
    return load_safetensors(file).metadata["format"] != svd_cache_format;
  } catch (const Error&) {
    return false;
  }
}

/// Gives a layer its factors from the cache; false when they are not there in this precision and of these shapes.
template <class Device, class Layer>
bool set_cached_factors(Context<Device>& context, Layer& layer, const std::string& name, const StateDict& cache) {
  using Values = std::remove_cvref_t<decltype(layer.factors.s)>;
  using Scalar = std::remove_cvref_t<decltype(*layer.factors.s.data())>;
  const Index rows = layer.weight.value.dim(0), cols = layer.weight.value.size() / rows, rank = std::min(rows, cols);
  const auto tensor = [&](const char* part, const Shape& shape) {
    const auto entry = cache.tensors.find(name + part);
    const bool fits =
        entry != cache.tensors.end() && entry->second.dtype == dtype_of<Scalar>() && entry->second.shape == shape;
    return fits ? Values(shape, entry->second.template to<Scalar>()) : Values();
  };
  typename Layer::Factors factors{tensor(".u", {rows, rank}), tensor(".s", {rank}), tensor(".vt", {rank, cols})};
  if (factors.u.empty() || factors.s.empty() || factors.vt.empty()) return false;
  layer.set_factors(context, std::move(factors));
  return true;
}

/// A layer without factors, and what is to be kept of those it gets.
template <class Device>
struct FactorTask {
  std::string name;  // of the layer
  Index cost;
  std::function<void(Context<Device>&, FactorTask&)> run;
  HostTensor u{}, s{}, vt{};
};

/// Factors every layer of the model that has no factors, on all cores, the largest first; adds them to `state`.
template <class Device, class Model>
void compute_factors(Context<Device>& context, Model& model, StateDict& state) {
  std::vector<FactorTask<Device>> tasks;
  walk_layers(model, [&](const Path& path, auto& layer) {
    if constexpr (FactoredLayer<decltype(layer)>) {
      if (layer.prepared()) return;
      tasks.push_back({path.str(), layer.preparation_cost(), [&layer](Context<Device>& own, FactorTask<Device>& kept) {
                         auto factors = layer.compute_factors(own);
                         kept.u = to_checkpoint(factors.u, Group::weights, Layout::same);
                         kept.s = to_checkpoint(factors.s, Group::weights, Layout::same);
                         kept.vt = to_checkpoint(factors.vt, Group::weights, Layout::same);
                         layer.set_factors(own, std::move(factors));
                       }});
    }
  });
  std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a.cost > b.cost; });
  context.parallel_tasks(static_cast<Index>(tasks.size()), [&](Context<Device>& own, Index i) {
    FactorTask<Device>& task = tasks[static_cast<std::size_t>(i)];
    task.run(own, task);
  });
  for (FactorTask<Device>& task : tasks) {
    state.tensors[task.name + ".u"] = std::move(task.u);
    state.tensors[task.name + ".s"] = std::move(task.s);
    state.tensors[task.name + ".vt"] = std::move(task.vt);
  }
}

}  // namespace detail

/// `prepare` with a memory: factors come from `<checkpoint>.svd.safetensors` where that file's record of the base hash
/// and of its own content are right; what is missing is computed on all cores and the file is written anew. A stale or
/// damaged file is never used; a folder that cannot be written is no error (see the report's note), nor is a file of
/// this name that is no cache: it stays.
template <class Device, class Model>
SvdCacheReport prepare_cached(Context<Device>& context, Model& model, const std::filesystem::path& checkpoint) {
  const std::string base_hash = model.base_hash();
  const auto start = std::chrono::steady_clock::now();
  SvdCacheReport report{.file = svd_cache_file(checkpoint)};
  Index layers = 0;
  walk_layers(model, [&](const Path&, auto& layer) {
    if constexpr (FactoredLayer<decltype(layer)>) layers += layer.prepared() ? 0 : 1;
  });
  if (layers == 0) {
    prepare(context, model);
    return report;
  }
  StateDict kept = detail::read_svd_cache(report.file, base_hash, report.note);
  walk_layers(model, [&](const Path& path, auto& layer) {
    if constexpr (FactoredLayer<decltype(layer)>) {
      if (!layer.prepared() && detail::set_cached_factors(context, layer, path.str(), kept)) ++report.read;
    }
  });
  report.computed = layers - report.read;
  if (report.computed > 0) {
    kept.metadata = {{"format", detail::svd_cache_format}, {"base_hash", base_hash}};
    detail::compute_factors(context, model, kept);
    try {
      if (detail::is_foreign(report.file)) {
        throw IoError(ErrorText{.what = "the factors are not kept: another file has their name",
                                .where = report.file.string(),
                                .advice = "move it away"});
      }
      save_sealed(report.file, std::move(kept));
      report.written = true;
    } catch (const IoError& error) {
      report.note = error.what();
    }
  }
  prepare(context, model);  // what else there is to do
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace ssam::inline SSAM_ABI

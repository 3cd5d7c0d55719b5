// Stream, Event and CapturedWork over the CUDA runtime. What the contract forbids during capture is
// refused before CUDA sees it, because CUDA would break the capture off; so the host backend and
// this one agree.
#include "core/device/stream.h"

#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "core/base/error.h"
#include "core/device/capture.h"
#include "core/device/counters.h"
#include "core/device/cuda/status.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct Stream::State {
  cudaStream_t stream = nullptr;
  std::shared_ptr<Capture> capture;  // which this stream is part of, or was
  int number = 0;                    // of the stream in it

  State() {
    bind_thread_to_device();
    // Non-blocking: neither waits for the default stream nor makes it wait.
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
               "cudaStreamCreateWithFlags");
  }
  ~State() {
    if (capturing()) capture->lose();
    abandon();
    if (cudaStreamDestroy(stream) != cudaSuccess) clear_cuda_error();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  bool capturing() const { return capture && !capture->ended(); }

  // Nothing on a stream that has only joined.
  void abandon() noexcept {
    if (!capturing() || number != 0) return;
    cudaGraph_t graph = nullptr;
    leave();
    if (cudaStreamEndCapture(stream, &graph) != cudaSuccess) clear_cuda_error();
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  }

  void leave() {
    capture->end();
    note_capture(-1);
  }
};

struct Event::State {
  cudaEvent_t event = nullptr;
  bool recorded = false;
  std::shared_ptr<Capture> capture;  // of which it marks a place, and no time
  Capture::Clock clock;

  State() {
    bind_thread_to_device();
    check_cuda(cudaEventCreate(&event), "cudaEventCreate");
  }
  ~State() {
    if (cudaEventDestroy(event) != cudaSuccess) clear_cuda_error();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

struct CapturedWork::State {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  std::vector<std::string> names;
  std::uint64_t launches = 0;
  std::uint64_t copies = 0;

  State() = default;
  ~State() {
    // A replay under way is finished first, by the runtime.
    if (executable != nullptr) static_cast<void>(cudaGraphExecDestroy(executable));
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void list(cudaGraph_t nodes_of);
  void list_node(cudaGraphNode_t node);
};

namespace {

/// "void adjoint::cuda::(anonymous namespace)::scale<float>(float*, int)", mangled ->
/// "scale<float>".
std::string kernel_name_of(const char* mangled) {
  int status = 0;
  char* const demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  std::string name = demangled != nullptr ? demangled : mangled;
  std::free(demangled);
  const std::string_view anonymous = "(anonymous namespace)::";
  for (std::size_t at; (at = name.find(anonymous)) != std::string::npos;) {
    name.erase(at, anonymous.size());
  }
  // The first parenthesis outside of angle brackets opens the parameters; the name starts behind
  // the last space or colon before it, likewise.
  std::size_t begin = 0, end = 0;
  for (int depth = 0; end < name.size() && (depth > 0 || name[end] != '('); ++end) {
    depth += (name[end] == '<') - (name[end] == '>');
    if (depth == 0 && (name[end] == ' ' || name[end] == ':')) begin = end + 1;
  }
  return name.substr(begin, end - begin);
}

std::string name_of_kernel_node(cudaGraphNode_t node) {
  // Kernels of libraries may belong to the driver interface only, where the runtime has no names.
  cudaKernelNodeParams parameters{};
  const char* name = nullptr;
  if (cudaGraphKernelNodeGetParams(node, &parameters) == cudaSuccess &&
      cudaFuncGetName(&name, parameters.func) == cudaSuccess && name != nullptr) {
    return kernel_name_of(name);
  }
  clear_cuda_error();
  return "library kernel";
}

/// Nodes that depend on a node. Programmatic launches annotate their edges, which must be asked for
/// with them.
std::vector<cudaGraphNode_t> dependents_of(cudaGraphNode_t node) {
  std::size_t count = 0;
  check_cuda(cudaGraphNodeGetDependentNodes(node, nullptr, nullptr, &count),
             "cudaGraphNodeGetDependentNodes");
  std::vector<cudaGraphNode_t> nodes(count);
  std::vector<cudaGraphEdgeData> edges(count);
  if (count > 0)
    check_cuda(cudaGraphNodeGetDependentNodes(node, nodes.data(), edges.data(), &count),
               "cudaGraphNodeGetDependentNodes");
  return nodes;
}

std::size_t dependencies_of(cudaGraphNode_t node) {
  std::size_t count = 0;
  check_cuda(cudaGraphNodeGetDependencies(node, nullptr, nullptr, &count),
             "cudaGraphNodeGetDependencies");
  return count;
}

/// The nodes of a graph, each behind those it depends on; of one stream's, in its order.
std::vector<cudaGraphNode_t> ordered(cudaGraph_t graph) {
  std::size_t roots = 0;
  check_cuda(cudaGraphGetRootNodes(graph, nullptr, &roots), "cudaGraphGetRootNodes");
  std::vector<cudaGraphNode_t> order(roots);
  if (roots == 0) return order;
  check_cuda(cudaGraphGetRootNodes(graph, order.data(), &roots), "cudaGraphGetRootNodes");
  std::map<cudaGraphNode_t, std::size_t> waits_for;
  for (std::size_t i = 0; i < order.size(); ++i)  // grows meanwhile
    for (const cudaGraphNode_t next : dependents_of(order[i])) {
      auto& left = waits_for.try_emplace(next, dependencies_of(next)).first->second;
      if (--left == 0) order.push_back(next);
    }
  return order;
}

}  // namespace

void CapturedWork::State::list(cudaGraph_t nodes_of) {
  for (const cudaGraphNode_t node : ordered(nodes_of)) list_node(node);
}

void CapturedWork::State::list_node(cudaGraphNode_t node) {
  cudaGraphNodeType type{};
  check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  switch (type) {
    case cudaGraphNodeTypeKernel:
      names.push_back(name_of_kernel_node(node));
      ++launches;
      break;
    case cudaGraphNodeTypeMemcpy:
      names.push_back("copy");  // in either direction: the host backend says which
      ++copies;
      break;
    case cudaGraphNodeTypeMemset:
      names.push_back("fill_bytes");
      ++copies;
      break;
    case cudaGraphNodeTypeGraph: {
      cudaGraph_t child = nullptr;
      check_cuda(cudaGraphChildGraphNodeGetGraph(node, &child), "cudaGraphChildGraphNodeGetGraph");
      list(child);
      break;
    }
    default:
      break;  // empty and event nodes do nothing
  }
}

Stream::Stream() : state_(std::make_unique<State>()) {}
Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

void Stream::synchronize() {
  refuse_during_capture("Stream: cannot synchronize");
  count(atomic_counters.synchronizations);
  check_cuda(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize");
}

void Stream::wait(const Event& event) {
  const Event::State& of = *event.state_;
  if (!of.recorded) return;
  if (of.capture) {
    of.capture->check_wait(state_->capturing() ? state_->capture.get() : nullptr);
  } else {
    check_wait(state_->capturing());
  }
  check_cuda(cudaStreamWaitEvent(state_->stream, of.event, 0), "cudaStreamWaitEvent");
  if (!of.capture) return;
  if (!state_->capturing()) {  // CUDA has let it join
    state_->capture = of.capture;
    state_->number = of.capture->fork(of.clock);
  }
  of.capture->wait(state_->number, of.clock);
}

void Stream::begin_capture() {
  check_begin_capture(state_->capturing());
  bind_thread_to_device();
  check_cuda(cudaStreamBeginCapture(state_->stream, cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
  state_->capture = std::make_shared<Capture>();
  state_->number = 0;
  note_capture(+1);
}

CapturedWork Stream::end_capture() {
  check_end_capture(state_->capturing(), state_->capturing() && state_->capture->of_this_thread());
  check_origin(state_->number);
  CapturedWork work;
  work.state_ = std::make_unique<CapturedWork::State>();
  CapturedWork::State& recorded = *work.state_;
  state_->leave();
  const cudaError_t status = cudaStreamEndCapture(state_->stream, &recorded.graph);
  // What events do not show: work behind the last one that was recorded on a fork.
  if (status == cudaErrorStreamCaptureUnjoined) {
    clear_cuda_error();
    for (int fork = 1; fork < state_->capture->streams(); ++fork) state_->capture->put(fork);
  }
  state_->capture->check_joined();
  check_cuda(status, "cudaStreamEndCapture");
  recorded.list(recorded.graph);
  check_cuda(cudaGraphInstantiate(&recorded.executable, recorded.graph, 0), "cudaGraphInstantiate");
  return work;
}

void Stream::abandon_capture() noexcept { state_->abandon(); }

bool Stream::capturing() const { return state_->capturing(); }

void* Stream::native() const {
  bind_thread_to_device();
  return state_->stream;
}

Event::Event() : state_(std::make_unique<State>()) {}
Event::~Event() = default;
Event::Event(Event&&) noexcept = default;
Event& Event::operator=(Event&&) noexcept = default;

void Event::record(Stream& stream) {
  check_cuda(cudaEventRecord(state_->event, static_cast<cudaStream_t>(stream.native())),
             "cudaEventRecord");
  state_->recorded = true;
  const bool captured = stream.capturing();
  state_->capture = captured ? stream.state_->capture : nullptr;
  state_->clock = captured ? state_->capture->point(stream.state_->number) : Capture::Clock();
}

bool Event::passed() const {
  refuse_during_capture("Event: cannot ask whether it has been passed");
  if (!state_->recorded) return true;
  check_timed(state_->capture != nullptr);
  const cudaError_t status = cudaEventQuery(state_->event);
  if (status == cudaErrorNotReady) {
    clear_cuda_error();
    return false;
  }
  check_cuda(status, "cudaEventQuery");
  return true;
}

void Event::synchronize() const {
  refuse_during_capture("Event: cannot synchronize");
  count(atomic_counters.synchronizations);
  if (!state_->recorded) return;
  check_timed(state_->capture != nullptr);
  check_cuda(cudaEventSynchronize(state_->event), "cudaEventSynchronize");
}

void* Event::native() const { return state_->event; }

float elapsed_milliseconds(const Event& begin, const Event& end) {
  refuse_during_capture("elapsed_milliseconds: cannot time");
  float milliseconds = 0;
  const cudaError_t status =
      cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin.native()),
                           static_cast<cudaEvent_t>(end.native()));
  if (status == cudaErrorCapturedEvent) clear_cuda_error();
  check_timed(status == cudaErrorCapturedEvent);
  check_elapsed(status != cudaErrorInvalidResourceHandle, status != cudaErrorNotReady);
  check_cuda(status, "cudaEventElapsedTime");
  return milliseconds;
}

CapturedWork::CapturedWork() = default;
CapturedWork::~CapturedWork() = default;
CapturedWork::CapturedWork(CapturedWork&&) noexcept = default;
CapturedWork& CapturedWork::operator=(CapturedWork&&) noexcept = default;

void CapturedWork::replay(Stream& stream) const {
  check_replay(state_ != nullptr);
  check_cuda(cudaGraphLaunch(state_->executable, static_cast<cudaStream_t>(stream.native())),
             "cudaGraphLaunch");
  if (stream.capturing()) return;
  count(atomic_counters.launches, state_->launches);
  count(atomic_counters.copies, state_->copies);
}

const std::vector<std::string>& CapturedWork::operations() const {
  static const std::vector<std::string> none;
  return state_ ? state_->names : none;
}

namespace {

void put_copy(Stream& stream, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(to, from, bytes, kind, static_cast<cudaStream_t>(stream.native())),
             "cudaMemcpyAsync");
  if (!stream.capturing()) count(atomic_counters.copies);
}

}  // namespace

void copy_to_device(Stream& stream, void* to, const void* from_host, std::size_t bytes) {
  put_copy(stream, to, from_host, bytes, cudaMemcpyHostToDevice);
}

void copy_to_host(Stream& stream, void* to_host, const void* from, std::size_t bytes) {
  put_copy(stream, to_host, from, bytes, cudaMemcpyDeviceToHost);
}

void copy_on_device(Stream& stream, void* to, const void* from, std::size_t bytes) {
  put_copy(stream, to, from, bytes, cudaMemcpyDeviceToDevice);
}

void fill_bytes(Stream& stream, void* to, std::uint8_t value, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemsetAsync(to, value, bytes, static_cast<cudaStream_t>(stream.native())),
             "cudaMemsetAsync");
  if (!stream.capturing()) count(atomic_counters.copies);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

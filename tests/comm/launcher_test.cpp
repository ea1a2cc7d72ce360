#include "harmofl/comm/communicator.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace harmofl {
namespace {

/// Sets (or, without a value, unsets) a variable of the environment for the life of the object.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  ~ScopedVariable() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class Launcher : public testing::Test {
 private:
  ScopedVariable mpirun_{"OMPI_COMM_WORLD_SIZE", nullptr};
  ScopedVariable tasks_{"SLURM_NTASKS", nullptr};
  ScopedVariable step_tasks_{"SLURM_STEP_NUM_TASKS", nullptr};
};

TEST_F(Launcher, is_fine_without_slurm) { EXPECT_NO_THROW(check_launcher(Communicator::serial())); }

TEST_F(Launcher, is_refused_when_slurm_has_tasks_that_mpi_does_not_see) {
  const ScopedVariable tasks("SLURM_NTASKS", "4");
  try {
    check_launcher(Communicator::serial());
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("4 tasks"));
    EXPECT_THAT(error.what(), testing::HasSubstr("srun --mpi=pmix"));
  }
}

TEST_F(Launcher, is_fine_for_a_single_task) {
  const ScopedVariable tasks("SLURM_NTASKS", "1");
  EXPECT_NO_THROW(check_launcher(Communicator::serial()));
}

TEST_F(Launcher, is_fine_for_a_step_of_one_task_in_a_larger_job) {
  const ScopedVariable tasks("SLURM_NTASKS", "4");
  const ScopedVariable step("SLURM_STEP_NUM_TASKS", "1");
  EXPECT_NO_THROW(check_launcher(Communicator::serial()));
}

TEST_F(Launcher, is_fine_under_mpirun_with_one_rank) {
  const ScopedVariable tasks("SLURM_NTASKS", "4");
  const ScopedVariable mpirun("OMPI_COMM_WORLD_SIZE", "1");
  EXPECT_NO_THROW(check_launcher(Communicator::serial()));
}

}  // namespace
}  // namespace harmofl

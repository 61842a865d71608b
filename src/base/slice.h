// How soon a worker runs again when bytes have come for it and others want its CPU, too.
#pragma once

namespace lastcall {

// Asks for the shortest slice there is (limits::slice_ns), for the calling thread. EEVDF runs first
// what is due first: who asks for little at a time is due early, and no share of the CPU is lost or
// won (sched_setattr(2); Linux 6.12 and newer). Policy and nice value stay; where the kernel does
// not know of slices, or denies it, nothing changes.
void ask_for_short_slices();

}  // namespace lastcall

// Package sim runs the real actors against simulated endpoints, in simulated time: it shows how the policies do under weather, and holds
// what the actors decide to rules that it keeps by itself. It must run within a testing/synctest bubble; `task simulate` runs it.
//
// A seed reproduces a run exactly. For that, no two things may happen in the same instant, since nothing says which is first: every
// duration is drawn to the nanosecond, and whoever calls an endpoint is under way for a moment before it touches what others see.
package sim

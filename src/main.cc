// tracer-svc: reads the configuration, makes the objects, wires them, runs, takes them down.
#include <cstdio>

int main()
{
    puts("tracer-svc " TRACER_SVC_VERSION);
    return 0;
}

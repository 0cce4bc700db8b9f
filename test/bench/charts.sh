#!/bin/bash
# The charts of scripts/bench: draw_charts RESULTS FOLDER, each where its numbers are there.
# shellcheck disable=SC2154 # $work is of scripts/bench

# plot FILE HEIGHT: the commands on standard input, as SVG.
plot() {
	{
		echo "set terminal svg size 860,$2 font 'sans-serif,13' background 'white'"
		echo "set output '$1'"
		echo "set border 3 lc '#888888'; set style fill solid noborder"
		echo "set tics nomirror scale 0.5 textcolor '#222222'"
		cat
	} | gnuplot
}

# What a fan-out costs, in units of what it costs with bare sockets.
draw_fanout() {
	local data=$2/fanout.data
	# shellcheck disable=SC2016 # the $ are those of jq
	jq -r '(.rows | map({(.id): .value}) | add // {}) as $v
		| ["100", "1000", "4000"][] | . as $n | $v["fanout-epoll-" + $n] as $epoll | select($epoll)
		| "\($n) 1 \($epoll / $v["fanout-curl-" + $n]) \($epoll)"' "$1" >"$data"
	[ -s "$data" ] || return 0
	plot "$2/fanout.svg" 380 <<-END
		set title "CPU time of a fan-out, 2 KB a node; bare epoll client = 1"
		set style data histogram
		set style histogram clustered gap 1
		set boxwidth 0.9
		set yrange [0:*]
		set ylabel "times bare epoll"
		set xlabel "nodes"
		set grid y lc '#dddddd'
		set key outside center bottom horizontal samplen 1 width -2
		set xrange [-0.6:2.6]
		set ytics 1
		plot '$data' using 2:xtic(1) title "epoll client" lc '#b8b8b8', \\
			'' using 3 title "libcurl client" lc '#e0a030', \\
			'' using 4 title "tracer-svc, which also checks, merges, replies" lc '#2f6fb0'
	END
}

# How far from its goal everything is: 1 is the goal, less is better.
draw_goals() {
	local data=$2/goals.data count
	# shellcheck disable=SC2016 # the $ are those of jq
	jq -r '.rows | map(select(.met != null)) | reverse[]
		| (if .value == 0 then 0 elif .sense == ">=" then .goal / .value
		   elif .goal == 0 then 3 else .value / .goal end) as $share
		| [.what + (if .against == "" then "" else " / " + .against end), ([$share, 3] | min),
		   (if .met then "0x2f6fb0" else "0xc03030" end)] | @tsv' "$1" >"$data"
	[ -s "$data" ] || return 0
	count=$(wc -l <"$data")
	plot "$2/goals.svg" $((90 + 24 * count)) <<-END
		set datafile separator "\t"
		set title "measured beside its goal: 1 is the goal, shorter is better (cut off at 3)"
		set xrange [0:3]; set yrange [-0.7:$count-0.3]
		set lmargin 52
		set ytics scale 0
		set title offset -20
		set xtics 0.5
		unset key
		set arrow from 1, graph 0 to 1, graph 1 nohead lc '#222222' dt 2 front
		plot '$data' using (\$2 / 2):0:(\$2 / 2):(0.34):(int(strcol(3) eq '0xc03030' ? 0xc03030 : 0x2f6fb0)):ytic(1) \\
			with boxxyerror lc rgb variable
	END
}

draw_charts() {
	draw_fanout "$1" "$work" && draw_goals "$1" "$work" || return
	find "$work" -maxdepth 1 -name '*.svg' -exec mv {} "$2" \;
}

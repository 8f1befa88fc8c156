// Times arrive in UTC and say so; here they are put into the reader’s own zone. Whoever signs up
// takes that zone along.

const format = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit",
});

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  time.title = time.textContent;
  time.textContent = format.format(moment);
}

for (const field of document.querySelectorAll("input[data-time-zone]")) {
  field.value = format.resolvedOptions().timeZone ?? "";
}

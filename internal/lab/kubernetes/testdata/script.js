import http from 'k6/http';

const rate = Number(__ENV.LEAKGATE_RATE);

export const options = {
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(99)', 'max'],
  scenarios: {
    load: {
      executor: 'constant-arrival-rate', rate: rate, timeUnit: '1s', duration: __ENV.LEAKGATE_SECONDS + 's',
      preAllocatedVUs: 10, maxVUs: 50, gracefulStop: '1s',
    },
  },
};

export default function () { http.get(__ENV.SERVICE); }

export function handleSummary(data) { return { stdout: JSON.stringify(data) }; }

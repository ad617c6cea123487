FROM ruby:3.3
RUN bundle config set --global frozen 1
WORKDIR /usr/src/app
ONBUILD COPY Gemfile Gemfile.lock ./
ONBUILD RUN bundle install
ONBUILD COPY --chown=1000:1000 . .
ONBUILD ARG RAILS_ENV=production
ONBUILD ENV RAILS_ENV=$RAILS_ENV
ONBUILD EXPOSE 3000
ONBUILD HEALTHCHECK --interval=1m CMD ["curl", "-f", "http://localhost:3000"]
ONBUILD USER 1000
